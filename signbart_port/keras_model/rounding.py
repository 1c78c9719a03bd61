"""Where an integer graph rounds.

The layers name the places at which such a graph rounds what it has computed. A model goes on with
the very values there, and its graph is the one that it would have without any of this: but inside
`rounding`, a rule says what it goes on with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras

Tensor = Any
Rule = Callable[[keras.layers.Layer, str, Tensor], Tensor]
_rule: ContextVar[Rule | None] = ContextVar("rounding", default=None)


@contextmanager
def rounding(rule: Rule) -> Iterator[None]:
    """Models that run inside go on with what `rule` makes of a layer's values at a place of it."""
    token = _rule.set(rule)
    try:
        yield
    finally:
        _rule.reset(token)


def rounded(layer: keras.layers.Layer, place: str, values: Tensor) -> Tensor:
    """What a layer goes on with, of its `values` at a place."""
    rule = _rule.get()
    return values if rule is None else rule(layer, place, values)
