"""What Keras saved as a Keras model, built from its config: nothing else in it is trusted."""

from __future__ import annotations

from pathlib import Path

import keras

from signbart_port.keras_model.model import SignBart
from signbart_port.keras_model.weights import assign
from signbart_port.model_files import keras_file
from signbart_port.model_files.config_resolution import Options
from signbart_port.model_files.h5_model import KerasModel


def load(path: str | Path, dtype: str | None = None, options: Options | None = None) -> SignBart:
    """Load the SignBART of a model.h5, model.keras or model.weights.h5, built from its config
    alone: nothing else in the file is trusted.

    `options` state the config of a model.weights.h5, which holds none, where none lies beside it.
    Raises PortError where the file is not one, is damaged, or its weights are not those of its
    config.
    """
    return build(keras_file.read(path, options or Options()), dtype)


def build(file: KerasModel, dtype: str | None = None) -> SignBart:
    """Build the model of an opened file, in float32 or in another `dtype`."""
    file.check_weights()
    model = SignBart(file.config, dtype=dtype)
    assign(model, file.tensors.items())
    return model


def open_as_user(path: Path) -> SignBart:
    """Open a model.h5 that this program wrote with Keras' own loader, as its user will."""
    model: SignBart = keras.models.load_model(path, compile=False)
    return model
