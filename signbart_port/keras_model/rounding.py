"""The places where an integer graph rounds.

The layers name the places at which such a graph rounds its values. A plain model continues with the
exact values there, and its graph is the one that it would have without this module. Inside
`rounding`, a rule says what it continues with.
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
    """Let models that run inside continue with what `rule` makes of a layer's values at a place."""
    token = _rule.set(rule)
    try:
        yield
    finally:
        _rule.reset(token)


def rounded(layer: keras.layers.Layer, place: str, values: Tensor) -> Tensor:
    """Return what a layer continues with, given its `values` at a place."""
    rule = _rule.get()
    return values if rule is None else rule(layer, place, values)
