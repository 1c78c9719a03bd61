"""`data.preprocessing.shorten` inside the graph: a clip of any length, cut to what a model reads.

The frames are those of NumPy's `linspace`, whose rounding in float64 falls one frame short of the
exact quotient for a few hundred pairs of a length and a frame. TensorFlow Lite has no float64: the
graph divides integers, and has a list of these pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from signbart_port.data.preprocessing import kept_frames

Tensor = Any
LONGEST = 10_000
"""The clips, in frames, for which the list of pairs is complete: more than five minutes. Of a
longer one, a frame may be taken whose predecessor NumPy takes."""


def sampled(clip: Tensor, frames: int) -> Tensor:
    """Return at most `frames` frames of a clip (T, ...), evenly chosen; T need not be known."""
    length = ops.cast(ops.shape(clip)[0], "int32")
    kept = ops.minimum(length, frames)
    numbers = ops.arange(kept, dtype="int32")
    chosen = ops.floor_divide(numbers * (length - 1), ops.maximum(kept - 1, 1))
    pairs = _short_of_quotient(frames)
    if len(pairs):
        found = ops.equal(ops.expand_dims(length * frames + numbers, 1), pairs[None])
        chosen = chosen - ops.max(ops.cast(found, "int32"), axis=1)
    return ops.take(clip, chosen, axis=0)


def _short_of_quotient(frames: int) -> NDArray[np.int32]:
    """Return, as length times `frames` plus number, the frames for which `kept_frames` is one less
    than the quotient of integers."""
    numbers = np.arange(frames)
    pairs = [
        length * frames + numbers[exact != kept_frames(length, frames)]
        for length in range(frames + 1, LONGEST + 1)
        for exact in [numbers * (length - 1) // max(frames - 1, 1)]
    ]
    return np.concatenate(pairs).astype(np.int32)
