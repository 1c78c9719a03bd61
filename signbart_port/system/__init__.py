"""This machine: atomic outputs, digests, processes, stderr."""
