"""Every tensor of two models, bit for bit, through the mapping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from signbart_port.checkpoint import Checkpoint
from signbart_port.errors import printable
from signbart_port.parity.report import Differing, Rounded, WeightComparison
from signbart_port.transfer import Plan, same_bits
from signbart_port.transfer.apply import by_target, joined
from signbart_port.transfer.ops import Array, Direction
from signbart_port.transfer.plan import module_of

EXACT = "equal in every bit"


def compare(
    plan: Plan,
    reference: Mapping[str, Array],
    candidate: Mapping[str, Array],
    modules: Mapping[str, str] = MappingProxyType({}),
) -> WeightComparison:
    """Hold a candidate's tensors against a reference's.

    `reference` has the names and the order of dimensions of the `plan`'s PyTorch side, `candidate`
    those of its Keras side: it is read through the inverse mapping, or where several tensors are
    one, held against what they become. `modules` are the paths of the modules of PyTorch by those
    of Keras' layers, where they differ.
    """
    differing, missing, places = [], [], set()
    for name, expected, got in _in_one_order(plan, reference, candidate):
        places.add(name)
        if got is None or got.shape != expected.shape or got.dtype != expected.dtype:
            here = "" if got is None else f" (there is one of {got.shape}, {got.dtype})"
            missing.append(f"{name} of {expected.shape}{here}")
        elif not same_bits(expected, got):
            found = difference(name, expected, got, _bits(expected) != _bits(got))
            differing.append(replace(found, module=modules.get(found.module, found.module)))
    extra = candidate.keys() - places - plan.ignored_keras.keys()
    return WeightComparison(
        rule=EXACT,
        tensors=len(places),
        values=plan.parameters,
        differing=tuple(differing),
        missing=(*missing, *(f"a place for {printable(name)}" for name in sorted(extra))),
    )


def _in_one_order(
    plan: Plan, reference: Mapping[str, Array], candidate: Mapping[str, Array]
) -> Iterator[tuple[str, Array, Array | None]]:
    """Yield the path of every tensor in Keras with what it should hold and what it holds."""
    for name, transfers in by_target(plan.transfers, Direction.TORCH_TO_KERAS):
        first, got = transfers[0], candidate.get(name)
        if len(transfers) > 1 or first.torch_part or first.lossy:
            yield name, joined(transfers, Direction.TORCH_TO_KERAS, reference), got
        else:
            yield name, reference[first.torch], None if got is None else first.op.to_torch(got)
    for constant in plan.constants:
        if constant.of_keras:
            expected = np.full(constant.shape, constant.value, np.float32)
            yield constant.name, expected, candidate.get(constant.name)


def difference(name: str, expected: Array, got: Array, wrong: Array) -> Differing:
    """Sum up where the tensor of Keras at the path `name` is `wrong`: a mask of at least one value,
    in the shape of both."""
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.abs(got.astype(np.float64) - expected.astype(np.float64))
    # A NaN is the worst there is; and of wrong values alone, one that differs in its sign only too.
    rank = np.where(wrong, np.nan_to_num(size, nan=np.inf), -1.0)
    worst = np.unravel_index(int(np.argmax(rank)), rank.shape)
    return Differing(
        name=name,
        module=module_of(name),
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
