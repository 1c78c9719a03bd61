"""Programs for apps: what they must do to feed one .tflite and to read its answer."""
