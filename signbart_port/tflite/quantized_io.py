"""Numbers into a .tflite and out of it, where its inputs and outputs are integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Details = dict[str, Any]
"""What the LiteRT interpreter says of an input or output."""


def fed(values: NDArray[np.float32], details: Details) -> NDArray[Any]:
    """Float values as the input wants them: integers are the nearest, within the type's range."""
    dtype = details["dtype"]
    if dtype == np.float32:
        return values
    step, zero = details["quantization"]
    limits = np.iinfo(dtype)
    integers: NDArray[Any] = np.rint(values / step + zero).clip(limits.min, limits.max)
    return integers.astype(dtype)


def given(values: NDArray[Any], details: Details) -> NDArray[np.float32]:
    """What an output stands for, as float32."""
    if details["dtype"] == np.float32:
        return values
    step, zero = details["quantization"]
    real: NDArray[np.float32] = ((values.astype(np.float32) - zero) * step).astype(np.float32)
    return real
