"""Processes that write checkpoints."""
