"""Processes that run the code of a pair."""
