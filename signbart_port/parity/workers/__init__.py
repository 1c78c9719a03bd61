"""Processes that run the models of a proof."""
