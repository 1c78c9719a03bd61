"""The web page that runs a .tflite, and the JavaScript that feeds one."""
