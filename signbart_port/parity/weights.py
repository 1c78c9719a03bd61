"""Every tensor of two models, bit for bit, through the mapping."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from signbart_port.checkpoint import Checkpoint
from signbart_port.errors import printable
from signbart_port.parity.report import Differing, Rounded, WeightComparison
from signbart_port.transfer import Plan, Transfer, same_bits
from signbart_port.transfer.ops import Array, Direction

EXACT = "equal in every bit"


def compare(
    plan: Plan, reference: Mapping[str, Array], candidate: Mapping[str, Array]
) -> WeightComparison:
    """Hold a candidate's tensors against a reference's.

    `reference` has the names and the order of dimensions of the `plan`'s PyTorch side, `candidate`
    those of its Keras side: it is read through the inverse mapping.
    """
    differing, missing = [], []
    for transfer in plan.transfers:
        expected, stored = reference[transfer.torch], candidate.get(transfer.keras)
        got = None if stored is None else transfer.op.run(stored, Direction.KERAS_TO_TORCH)
        if got is None or got.shape != expected.shape or got.dtype != expected.dtype:
            here = "" if got is None else f" (there is one of {got.shape}, {got.dtype})"
            missing.append(f"{transfer.keras} of {expected.shape}{here}")
        elif not same_bits(expected, got):
            differing.append(difference(transfer, expected, got, expected.view("u4") != _bits(got)))
    extra = candidate.keys() - {transfer.keras for transfer in plan.transfers}
    return WeightComparison(
        rule=EXACT,
        tensors=len(plan.transfers),
        values=plan.parameters,
        differing=tuple(differing),
        missing=(*missing, *(f"a place for {printable(name)}" for name in sorted(extra))),
    )


def difference(transfer: Transfer, expected: Array, got: Array, wrong: Array) -> Differing:
    """Sum up where `got` is `wrong` (a mask of at least one value), both in one shape."""
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.abs(got.astype(np.float64) - expected.astype(np.float64))
    # A NaN is the worst there is; and of wrong values alone, one that differs in its sign only too.
    rank = np.where(wrong, np.nan_to_num(size, nan=np.inf), -1.0)
    worst = np.unravel_index(int(np.argmax(rank)), rank.shape)
    return Differing(
        name=transfer.keras,
        module=transfer.module,
        values=int(np.count_nonzero(wrong)),
        of=expected.size,
        largest=float(size[worst]),
        worst=tuple(int(i) for i in worst),
        expected=float(expected[worst]),
        got=float(got[worst]),
    )


def rounded(checkpoint: Checkpoint) -> tuple[Rounded, ...]:
    """Return what reading a checkpoint as float32 changed. Only float64 tensors lose anything."""
    return tuple(
        Rounded(
            name,
            checkpoint.dtypes[name],
            change.changed,
            checkpoint.tensors[name].size,
            change.largest,
        )
        for name, change in checkpoint.rounded.items()
    )


def _bits(array: Array) -> Array:
    return np.ascontiguousarray(array).view("u4")
