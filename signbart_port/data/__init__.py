"""Datasets of keypoints, and their way to the model's input: in NumPy, for both frameworks."""
