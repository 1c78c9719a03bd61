"""Quantized inputs and outputs of a .tflite: from float32 to integers and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Details = dict[str, Any]
"""The description of an input or output by the LiteRT interpreter."""


def quantize(values: NDArray[np.float32], details: Details) -> NDArray[Any]:
    """Return float values as an input takes them: the nearest integers in the range of its type."""
    dtype = details["dtype"]
    if dtype == np.float32:
        return values
    step, zero = details["quantization"]
    limits = np.iinfo(dtype)
    integers: NDArray[Any] = np.rint(values / step + zero).clip(limits.min, limits.max)
    return integers.astype(dtype)


def dequantize(values: NDArray[Any], details: Details) -> NDArray[np.float32]:
    """Return the float32 values that an output stands for."""
    if details["dtype"] == np.float32:
        return values
    step, zero = details["quantization"]
    real: NDArray[np.float32] = ((values.astype(np.float32) - zero) * step).astype(np.float32)
    return real
