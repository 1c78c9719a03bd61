"""Processes of the hub's library."""
