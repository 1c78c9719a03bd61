"""The values that a lossy rule does not give back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from signbart_port.transfer.apply import by_target, joined
from signbart_port.transfer.ops import Array, Direction
from signbart_port.transfer.plan import Plan


@dataclass(frozen=True)
class Lost:
    """A tensor that the way back would write otherwise than it was."""

    name: str
    """Its name in PyTorch."""
    values: int
    """The number of its values that would change."""
    of: int
    largest: float
    """The largest change."""
    writes: str
    """What the way back writes, in the mapping's own words."""
    rule: str
    """The mapping's file and line."""

    def sentence(self) -> str:
        """Return one line for the user."""
        return (
            f"{self.name}: {self.values:,} of {self.of:,} values do not come back, the largest"
            f" change is {self.largest:.3g}; the way back writes: {self.writes} ({self.rule})"
        )


def losses(plan: Plan, tensors: Mapping[str, Array]) -> Iterator[Lost]:
    """Yield what the lossy rules of a plan lose of PyTorch's tensors: what a way there and back
    changes. One tensor after another is moved."""
    there, back = Direction.TORCH_TO_KERAS, Direction.KERAS_TO_TORCH
    for name, transfers in by_target(plan.transfers, there):
        if not transfers[0].lossy:
            continue
        moved = {name: joined(transfers, there, tensors)}
        for transfer in transfers:
            before = tensors[transfer.torch]
            after = joined([transfer], back, moved)
            changed = np.not_equal(before, after)
            if changed.any():
                change = np.abs(after.astype(np.float64) - before.astype(np.float64))
                yield Lost(
                    transfer.torch,
                    int(np.count_nonzero(changed)),
                    before.size,
                    float(change.max()),
                    transfer.lossy,
                    plan.mapping.at(transfer.line),
                )
