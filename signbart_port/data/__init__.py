"""From raw keypoints to the model's input, in NumPy, for both frameworks."""
