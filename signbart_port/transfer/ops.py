"""The reversible operations on a tensor on its way between frameworks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]


class Direction(Enum):
    """The side that is read.

    An argument of `check` and `apply`, never of a mapping.
    """

    TORCH_TO_KERAS = "torch -> keras"
    KERAS_TO_TORCH = "keras -> torch"


@dataclass(frozen=True)
class Op:
    """An operation and its inverse; both return views where they can."""

    name: str
    to_keras: Callable[[Array], Array]
    to_torch: Callable[[Array], Array]
    keras_shape: Callable[[tuple[int, ...]], tuple[int, ...]]

    def run(self, array: Array, direction: Direction) -> Array:
        return (self.to_keras if direction is Direction.TORCH_TO_KERAS else self.to_torch)(array)


OPS = {
    op.name: op
    for op in (
        Op("identity", lambda a: a, lambda a: a, lambda shape: shape),
        Op("transpose", lambda a: a.T, lambda a: a.T, lambda shape: shape[::-1]),
    )
}
