"""Processes that convert and quantize."""
