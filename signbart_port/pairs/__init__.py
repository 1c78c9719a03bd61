"""Pairs of a PyTorch and a Keras model: SignBART is the first."""
