"""Bytes from strangers: what they are, and how to read them without running anything."""
