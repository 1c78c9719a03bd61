"""Move the data of a checked plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from signbart_port.transfer.ops import Array, Direction
from signbart_port.transfer.plan import Plan


def apply(
    plan: Plan, direction: Direction, source: Mapping[str, Array]
) -> Iterator[tuple[str, Array]]:
    """Yield (target name, tensor) for every transfer: one tensor at a time, views where possible.

    The plan must have been checked against `source`.
    """
    for transfer in plan.transfers:
        name, _ = transfer.source(direction)
        yield transfer.target(direction)[0], transfer.op.run(source[name], direction)


def renamed(plan: Plan, other: Plan, source: Mapping[str, Array]) -> Mapping[str, Array]:
    """Return the tensors that `plan` reads, and no other, under the PyTorch names of `other`:
    unchanged if they have these names already, otherwise by way of Keras' names."""
    if all(transfer.torch in source for transfer in other.transfers):
        return {transfer.torch: source[transfer.torch] for transfer in other.transfers}
    keras = dict(apply(plan, Direction.TORCH_TO_KERAS, source))
    return dict(apply(other, Direction.KERAS_TO_TORCH, keras))
