"""Additive attention masks.

A frame is real if its attention mask is exactly 1. PyTorch adds the most negative finite float to
the scores of padding and -inf to those of later frames. Two properties of these values matter: the
first swallows any score, so that a row that sees only padding gets uniform weights, and the second
outweighs the first. -2^75 and -2^93 do the same, in float32 and in float64. They are computed from
the mask, by way of integers, because constants would not survive: a float16 file clamps every
constant to -65504, where neither property holds.

An integer graph has no room for such values: its softmax would be left with two steps. There, and
only there, masks add a `bound` that softmax turns into zero, such as -100. One thing changes: a row
that sees only padding is no longer uniform. No clip that begins with a real frame has one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

Tensor = Any
_PADDING, _LATER = np.int32(-(2**25)), np.int32(-(2**31))  # cubed as floats


def padding_mask(attention_mask: Tensor, dtype: str, bound: float | None = None) -> Tensor:
    """Map (B, T) to (B, 1, 1, T): 0 for a real key."""
    if bound is not None:
        return _bounded(attention_mask, bound)
    return _additive(_levels(attention_mask), dtype)


def causal_mask(
    queries: Tensor, attention_mask: Tensor, dtype: str, bound: float | None = None
) -> Tensor:
    """Return the mask (B, 1, Q, T) of padding and later keys, from the queries' positions (..., Q,
    1) and the attention mask (B, T).

    PyTorch's also adds 1 to every remaining score, which softmax cancels.
    """
    keys = ops.arange(ops.shape(attention_mask)[1], dtype="int32")
    if bound is not None:
        return ops.where(keys > queries, bound, _bounded(attention_mask, bound))
    return _additive(ops.where(keys > queries, _LATER, _levels(attention_mask)), dtype)


def last_frame(attention_mask: Tensor) -> Tensor:
    """Map (B, T) to (B,) int32: the last real frame, 0 where there is none."""
    frames = ops.arange(ops.shape(attention_mask)[1], dtype="int32")
    return ops.max(frames * ops.cast(ops.equal(attention_mask, 1), "int32"), axis=1)


def _bounded(attention_mask: Tensor, bound: float) -> Tensor:
    return ops.where(ops.equal(attention_mask, 1), 0.0, bound)[:, None, None, :]


def _levels(attention_mask: Tensor) -> Tensor:
    return ops.where(ops.equal(attention_mask, 1), np.int32(0), _PADDING)[:, None, None, :]


def _additive(levels: Tensor, dtype: str) -> Tensor:
    mask = ops.cast(levels, dtype)
    return mask * mask * mask
