"""A model.h5 as a Keras model, and back: read, it is built from its config alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import keras
from keras.src.legacy.saving.legacy_h5_format import save_model_to_hdf5

from signbart_port.keras_model.model import SignBart
from signbart_port.keras_model.weights import assign
from signbart_port.model_files.h5_model import KerasModel


def build(file: KerasModel, dtype: str | None = None) -> SignBart:
    """Build the model of an opened file, in float32 or in another `dtype`."""
    file.check_weights()
    model = SignBart(file.config, dtype=dtype)
    assign(model, file.tensors.items())
    return model


def write(path: Path, model: SignBart, complete: Callable[[h5py.File], None]) -> None:
    """Write a model.h5 in one piece: what Keras writes, and what `complete` adds to it.

    It is made in memory: where a disk is full, HDF5 itself would end the process. Raises OSError.
    """
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        save_model_to_hdf5(model, file, include_optimizer=False)  # takes no path: prints nothing
        complete(file)
        file.flush()
        content = file.id.get_file_image()
    path.write_bytes(content)


def open_as_user(path: Path) -> SignBart:
    """Open a model.h5 that this program wrote with Keras' own loader, as its user will."""
    model: SignBart = keras.models.load_model(path, compile=False)
    return model
