"""Training, as far as it is the same in both frameworks: settings, data, learning rates, the log,
what is kept and when it ends.

`keras_fit` has what is Keras' own, `torch_fit` PyTorch's.
"""
