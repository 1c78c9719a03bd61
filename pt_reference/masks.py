"""Additive attention masks.

A frame is real where the attention mask is exactly 1.
"""

from __future__ import annotations

import torch
from torch import Tensor


def padding_mask(attention_mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Map (B, T) to (B, 1, 1, T): 0 for a real key, the most negative finite value for padding.

    Added to a score, that value swallows it: a row that sees only padding gets uniform weights.
    """
    mask = torch.zeros(attention_mask.shape, dtype=dtype, device=attention_mask.device)
    mask = mask.masked_fill(attention_mask != 1, torch.finfo(dtype).min)
    return mask[:, None, None, :]


def causal_mask(frames: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return (T, T): -inf above the diagonal, and +1 on and below it, which softmax cancels."""
    ones = torch.ones(frames, frames, dtype=dtype, device=device)
    return ones.masked_fill(ones.triu(diagonal=1).bool(), -torch.inf)


def last_frame(attention_mask: Tensor) -> Tensor:
    """Map (B, T) to (B,) int64: the last real frame, 0 where there is none."""
    frames = torch.arange(attention_mask.shape[1], device=attention_mask.device)
    return (frames * (attention_mask == 1)).amax(dim=1)
