"""From model.h5 to a .tflite, and everything that reads or runs one."""
