"""The positions of an output that are compared, by the names of its axes, never by its shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signbart_port.parity.pair import Case, Pair, Tap, tap_of
from signbart_port.parity.taps import Floats, module_of

BATCH = "batch"
"""The name of the axis that every entry of `Case.counted` has first."""


@dataclass(frozen=True)
class Counting:
    """The positions that count, for every output of a run."""

    taps: Mapping[str, Tap]
    """The layout of outputs, as `Pair.taps` returns it."""
    positions: Mapping[str, NDArray[np.bool_]]
    """The positions that count by the name of an axis, as in `Case.counted`."""

    @classmethod
    def of(cls, pair: Pair, config: object, case: Case) -> Counting:
        """Return the positions that count in a run of `case`."""
        return cls(pair.taps(config), case.counted)

    @classmethod
    def whole(cls) -> Counting:
        """Return a counting of every position of every output."""
        return cls({}, {})

    def select(self, tap: str, output: Floats) -> Floats:
        """Return what counts of an output, as float64: the positions that count come first, then
        the other axes.

        Raises ValueError for an output that does not have the axes that the pair names.
        """
        order, mask = self._order(tap, output.shape)
        moved = output.transpose(order)
        return (moved if mask is None else moved[mask]).astype(np.float64)

    def place(self, tap: str, shape: tuple[int, ...], selected: Sequence[int]) -> tuple[int, ...]:
        """Return the index in an output of an element that `select` gives the index of."""
        order, mask = self._order(tap, shape)
        index = list(selected)
        if index and mask is not None:
            index[:1] = (int(i) for i in np.argwhere(mask)[index[0]])
        return tuple(index[order.index(axis)] for axis in range(len(index)))

    def _order(
        self, tap: str, shape: tuple[int, ...]
    ) -> tuple[list[int], NDArray[np.bool_] | None]:
        """Return the axes with those that have positions first, and the mask over these."""
        axes = tap_of(self.taps, module_of(tap)).axes
        if axes and len(axes) != len(shape):
            raise ValueError(f"{tap} has the shape {shape}, the pair names axes {' '.join(axes)}")
        chosen = [axis for axis, name in enumerate(axes) if name in self.positions]
        if not chosen:
            return list(range(len(shape))), None
        if BATCH not in axes:
            raise ValueError(f"{tap} has axes {' '.join(axes)}: positions are per batch")
        first = [axes.index(BATCH), *chosen]
        mask = np.ones([shape[axis] for axis in first], dtype=np.bool_)
        for number, axis in enumerate(chosen, start=1):
            counted = self.positions[axes[axis]]
            if counted.shape != (shape[first[0]], shape[axis]):
                raise ValueError(
                    f"{tap} has the shape {shape}, the positions of {axes[axis]} {counted.shape}"
                )
            spread = [1] * len(first)
            spread[0], spread[number] = counted.shape
            mask &= counted.reshape(spread)
        return [*first, *(axis for axis in range(len(shape)) if axis not in first)], mask


def largest_difference(tap: str, a: Floats, b: Floats, counting: Counting) -> float:
    """Return the largest difference of two outputs at the positions that count."""
    difference = absolute_difference(counting.select(tap, a), counting.select(tap, b))
    return float(np.max(difference, initial=0.0))


def absolute_difference(a: Floats, b: Floats) -> Floats:
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, which fails
        return np.abs(a - b)
