"""A prepared clip as a signature takes it: by the names of its inputs, in their types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.tflite import gislr, quantized_io


def arguments(
    keypoints: NDArray[np.float32],
    attention_mask: NDArray[np.float32],
    inputs: Mapping[str, quantized_io.Details],
) -> dict[str, NDArray[Any]]:
    """Return the arguments of a signature with these `inputs` for one clip, (T, K, 2), and its mask
    (T,), which the contract gislr does not have."""
    if gislr.contract_of(inputs):
        return gislr.arguments(keypoints)
    values = {"keypoints": keypoints[None], "attention_mask": attention_mask[None]}
    return {name: quantized_io.quantize(one, inputs[name]) for name, one in values.items()}
