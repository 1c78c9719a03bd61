"""The Keras SignBART.

Mirrors `pt_reference/` file for file, class for class, attribute for attribute. A variable's path
is its PyTorch module's with slashes: `decoder/layers.0/encoder_attn/q_proj/kernel`.
"""

import keras

from signbart_port.errors import PortError

if keras.backend.backend() != "tensorflow":
    raise PortError(
        None,
        f"Keras runs on {keras.backend.backend()}, this model on TensorFlow",
        "Set KERAS_BACKEND=tensorflow",
    )

from signbart_port.keras_model.model import SignBart

# Keras looks up the class of a legacy .h5 by its bare name.
keras.saving.get_custom_objects()["SignBart"] = SignBart

__all__ = ["SignBart"]
