"""Weights in and out of a Keras SignBART, by variable path."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from signbart_port import h5
from signbart_port.keras_model.model import SignBart


def shapes(model: SignBart) -> dict[str, tuple[int, ...]]:
    """The shape of every weight, by path."""
    return {weight.path: tuple(weight.shape) for weight in model.weights}


def assign(model: SignBart, tensors: Iterable[tuple[str, NDArray[np.generic]]]) -> None:
    """Write tensors into the weights of these paths."""
    weights = {weight.path: weight for weight in model.weights}
    for path, tensor in tensors:
        weights[path].assign(np.ascontiguousarray(tensor))


def load(path: str | Path, dtype: str | None = None) -> SignBart:
    """The SignBART of a model.h5, built from its config alone: nothing else in the file is trusted.

    Raises PortError where the file is not one, is damaged, or its weights are not those of its
    config.
    """
    return build(h5.read(path), dtype)


def build(file: h5.KerasFile, dtype: str | None = None) -> SignBart:
    """The model of an opened model.h5, in float32 or in another `dtype`."""
    h5.plan_of(file)  # refuses a file of other weights
    model = SignBart(file.config, dtype=dtype)
    assign(model, file.tensors.items())
    return model
