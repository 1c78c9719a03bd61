"""Tensors that models keep beside their weights, and why they may be left behind."""

from __future__ import annotations

from dataclasses import dataclass

from signbart_port.transfer.sizes import Shape

_MASK = "a mask, which the other side computes"
_POSITIONS = "the numbers of positions, which the other side counts itself"
_TORCH = {
    "num_batches_tracked": "counts the batches of a training",
    "position_ids": _POSITIONS,
    "token_type_ids": _POSITIONS,
    "inv_freq": "the frequencies of rotary positions, which the other side computes",
    "masked_bias": _MASK,
}
_KERAS = {
    "seed_generator_state": "the state of a random generator, for training alone",
    "count": "counts the values that `adapt` has seen",
    "iterations": "counts the steps of a training",
}


@dataclass(frozen=True)
class Kept:
    """A tensor of a model, as a draft sees it."""

    shape: Shape
    floating: bool = True

    def why_left(self, name: str, *, of_keras: bool) -> str:
        """Return why it may be left behind; "" where only a person can tell, or it is a weight."""
        leaf = name.rpartition("/" if of_keras else ".")[2]
        known = _KERAS if of_keras else _TORCH
        if leaf in known and (leaf == "inv_freq" or leaf == "masked_bias" or not self.floating):
            return known[leaf]
        if not self.floating and leaf in ("bias", "mask", "causal_mask", "attn_mask"):
            return _MASK
        return ""
