"""Bytes from strangers: their kind, and how to read them without running anything."""
