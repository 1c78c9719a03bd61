"""Datasets of keypoints, and their way to a model's inputs: in NumPy, for both frameworks."""
