"""Figures of models: accuracy on clips, floating-point operations."""
