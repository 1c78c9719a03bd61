"""The better of two ways to pair things whose names agree more or less."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Protocol, TypeVar

SURE = 0.1
"""How much closer to its own slot than to any other a name must be."""


class Paired(Protocol):
    """Something in a slot. Either is compared by identity."""

    @property
    def candidate(self) -> Any: ...

    @property
    def slot(self) -> Any: ...

    @property
    def names(self) -> float:
        """How well their names agree, from 0 to 1."""


P = TypeVar("P", bound=Paired)


def exchanged(pairs: Sequence[P], at: Mapping[tuple[Any, Any], P]) -> list[P] | None:
    """Return the pairs with two slots exchanged, if the names then agree better."""
    for a, b in combinations(pairs, 2):
        c, d = at.get((a.candidate, b.slot)), at.get((b.candidate, a.slot))
        if c and d and c.names + d.names > a.names + b.names + 1e-9:  # more than rounding
            return [*(pair for pair in pairs if pair not in (a, b)), c, d]
    return None


def loss(pair: P, pairs: Sequence[P], at: Mapping[tuple[Any, Any], P]) -> float:
    """Return how much less, at least, the names agree with another candidate in the slot of
    `pair`, or its own in another slot: one that is free, or exchanged."""
    placed = {other.candidate for other in pairs}
    holders = {other.slot: other for other in pairs}
    losses = [1.0]
    for (candidate, slot), other in at.items():
        if candidate is pair.candidate and slot is not pair.slot:
            holder = holders.get(slot)
            if holder is None:
                losses.append(pair.names - other.names)
            elif back := at.get((holder.candidate, pair.slot)):
                losses.append(pair.names + holder.names - other.names - back.names)
        elif slot is pair.slot and candidate not in placed:
            losses.append(pair.names - other.names)
    return min(losses)
