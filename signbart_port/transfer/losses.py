"""The values that a lossy rule does not give back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from signbart_port.errors import first_of
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


def sentences(lost: Iterable[Lost]) -> Iterator[str]:
    """Yield a line for the user for each rule that loses something."""
    by_rule: dict[tuple[str, str], list[Lost]] = {}
    for one in lost:
        by_rule.setdefault((one.writes, one.rule), []).append(one)
    for (writes, rule), several in by_rule.items():
        values, of = (sum(getattr(one, count) for one in several) for count in ("values", "of"))
        largest = max(one.largest for one in several)
        yield (
            f"{first_of([one.name for one in several], 2)}: {values:,} of {of:,} values do not come"
            f" back, the largest change is {largest:.3g}; the way back writes: {writes} ({rule})"
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
