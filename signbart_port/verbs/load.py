"""A model's file as a Keras model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from signbart_port.model_files import keras_file
from signbart_port.model_files.config_resolution import Options
from signbart_port.system.stderr import silenced_stderr

with silenced_stderr():  # imports TensorFlow
    from signbart_port.model_files.keras_h5 import build

if TYPE_CHECKING:
    from signbart_port.keras_model import SignBart


def load(path: str | Path, dtype: str | None = None, options: Options | None = None) -> SignBart:
    """Load the SignBART of a model.h5, model.keras or model.weights.h5, built from its config
    alone: nothing else in the file is trusted.

    `options` state the config of a model.weights.h5, which holds none, where none lies beside it.
    Raises PortError where the file is not one, is damaged, or its weights are not those of its
    config.
    """
    file = keras_file.read(path, options or Options())
    with silenced_stderr():
        return build(file, dtype)
