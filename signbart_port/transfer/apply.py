"""Move the data of a checked plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

import numpy as np

from signbart_port.transfer.mapping import Join
from signbart_port.transfer.ops import Array, Direction, run
from signbart_port.transfer.plan import Part, Plan, Transfer


def apply(
    plan: Plan, direction: Direction, source: Mapping[str, Array]
) -> Iterator[tuple[str, Array]]:
    """Yield (target name, tensor) for every transfer: one tensor at a time, views where possible.

    The plan must have been checked against `source`.
    """
    for name, transfers in by_target(plan.transfers, direction):
        yield name, joined(transfers, direction, source)
    for constant in plan.constants:
        if constant.written(direction):
            yield constant.name, np.full(constant.shape, constant.value, np.float32)


def in_float64(plan: Plan, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Return what the lossy rules write in Keras, computed in float64: a sum of two float32 is no
    float32, and what it is rounded to is no fault of the models."""
    there, found = Direction.TORCH_TO_KERAS, {}
    for name, transfers in by_target(plan.transfers, there):
        if transfers[0].lossy:
            source = {t.torch: tensors[t.torch].astype(np.float64) for t in transfers}
            found[name] = joined(transfers, there, source)
    return found


def by_target(
    transfers: Iterable[Transfer], direction: Direction
) -> Iterator[tuple[str, list[Transfer]]]:
    """Yield the name of every tensor that is written, with its transfers."""
    for name, group in groupby(transfers, key=lambda transfer: transfer.target(direction)[0]):
        yield name, list(group)


def joined(transfers: list[Transfer], direction: Direction, source: Mapping[str, Array]) -> Array:
    """Return the tensor that these transfers write."""
    if transfers[0].join is Join.TIE:  # they are the same; a file may have one name of them alone
        transfers = [t for t in transfers if t.source(direction)[0] in source][:1]
    first, *others = transfers
    value = _read(first, direction, source)
    if first.join is Join.SUM:
        if direction is Direction.KERAS_TO_TORCH:
            return value if first.first else np.zeros_like(value)
        for other in others:
            value = np.add(value, _read(other, direction, source))
        return value
    part = first.parts(direction)[1]
    if not part:
        return value
    whole = np.zeros(first.target(direction)[1], value.dtype)
    for transfer in transfers:
        whole[transfer.parts(direction)[1]] = _read(transfer, direction, source)
    return whole


def _read(transfer: Transfer, direction: Direction, source: Mapping[str, Array]) -> Array:
    return run(
        transfer.op,
        part_of(source[transfer.source(direction)[0]], transfer.parts(direction)[0]),
        direction,
    )


def part_of(array: Array, part: Part) -> Array:
    """Return a part of a tensor, as a view."""
    return array[part] if part else array  # an empty index would make a number of a scalar


def renamed(plan: Plan, other: Plan, source: Mapping[str, Array]) -> Mapping[str, Array]:
    """Return the tensors that `plan` reads, and no other, under the PyTorch names of `other`:
    unchanged if they have these names already, otherwise by way of Keras' names."""
    if all(transfer.torch in source for transfer in other.transfers):
        return {transfer.torch: source[transfer.torch] for transfer in other.transfers}
    keras = dict(apply(plan, Direction.TORCH_TO_KERAS, source))
    return dict(apply(other, Direction.KERAS_TO_TORCH, keras))
