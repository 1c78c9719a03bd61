"""A model.h5 as a Keras model, built from its config: nothing else in it is trusted."""

from __future__ import annotations

from pathlib import Path

import keras

from signbart_port.keras_model.model import SignBart
from signbart_port.keras_model.weights import assign
from signbart_port.model_files import h5
from signbart_port.model_files.h5_model import KerasModel


def load(path: str | Path, dtype: str | None = None) -> SignBart:
    """Load the SignBART of a model.h5, built from its config alone: nothing else in the file is
    trusted.

    Raises PortError where the file is not one, is damaged, or its weights are not those of its
    config.
    """
    return build(h5.read(path), dtype)


def build(file: KerasModel, dtype: str | None = None) -> SignBart:
    """Build the model of an opened model.h5, in float32 or in another `dtype`."""
    file.check_weights()
    model = SignBart(file.config, dtype=dtype)
    assign(model, file.tensors.items())
    return model


def open_as_user(path: Path) -> SignBart:
    """Open a model.h5 that this program wrote with Keras' own loader, as its user will."""
    model: SignBart = keras.models.load_model(path, compile=False)
    return model
