"""Weights in and out of a Keras SignBART, by variable path."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from signbart_port.keras_model.model import SignBart


def shapes(model: SignBart) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight, by path."""
    return {weight.path: tuple(weight.shape) for weight in model.weights}


def assign(model: SignBart, tensors: Iterable[tuple[str, NDArray[np.generic]]]) -> None:
    """Write tensors into the weights at these paths."""
    weights = {weight.path: weight for weight in model.weights}
    for path, tensor in tensors:
        weights[path].assign(np.ascontiguousarray(tensor))
