"""The operations on a tensor on its way between frameworks, each with its inverse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from signbart_port.transfer.axes import Axes

Array = NDArray[np.generic]


class Direction(Enum):
    """The side that is read.

    An argument of `check` and `apply`, never of a mapping.
    """

    TORCH_TO_KERAS = "torch -> keras"
    KERAS_TO_TORCH = "keras -> torch"

    @property
    def back(self) -> Direction:
        """The other direction."""
        return next(direction for direction in Direction if direction is not self)


class Op(Protocol):
    """An operation and its inverse; both return views where they can."""

    @property
    def name(self) -> str:
        """The operation, for reports."""

    def to_keras(self, array: Array) -> Array: ...

    def to_torch(self, array: Array) -> Array: ...


@dataclass(frozen=True)
class Identity:
    name: str = "identity"

    def to_keras(self, array: Array) -> Array:
        return array

    to_torch = to_keras


@dataclass(frozen=True)
class Transpose:
    """All axes in the reverse order."""

    name: str = "transpose"

    def to_keras(self, array: Array) -> Array:
        return array.T

    to_torch = to_keras


@dataclass(frozen=True)
class Rearrange:
    """Axes permuted, split and merged, for a tensor of these sizes."""

    axes: Axes
    sizes: tuple[tuple[str, int], ...]

    @property
    def name(self) -> str:
        return str(self.axes)

    def to_keras(self, array: Array) -> Array:
        axes, sizes = self.axes, dict(self.sizes)
        split = array.reshape([sizes[name] for name in axes.names])
        turned = split.transpose([axes.names.index(name) for name in axes.in_keras])
        return turned.reshape(axes.shapes(sizes)[1])

    def to_torch(self, array: Array) -> Array:
        axes, sizes = self.axes, dict(self.sizes)
        split = array.reshape([sizes[name] for name in axes.in_keras])
        turned = split.transpose([axes.in_keras.index(name) for name in axes.names])
        return turned.reshape(axes.shapes(sizes)[0])


@dataclass(frozen=True)
class Reorder:
    """The blocks of an axis in another order, for a tensor of this shape in PyTorch: block `n` in
    Keras is PyTorch's `order[n]`."""

    axis: str
    order: tuple[int, ...]
    split: tuple[int, ...]
    """PyTorch's shape, with an axis for the blocks."""
    at: int
    """The place of that axis."""

    @property
    def name(self) -> str:
        return f"{self.axis} in the order {', '.join(map(str, self.order))}"

    def to_keras(self, array: Array) -> Array:
        return self._taken(array, self.order)

    def to_torch(self, array: Array) -> Array:
        return self._taken(array, tuple(int(n) for n in np.argsort(self.order)))

    def _taken(self, array: Array, order: tuple[int, ...]) -> Array:
        return array.reshape(self.split).take(order, axis=self.at).reshape(array.shape)


@dataclass(frozen=True)
class Add:
    """A constant added, rounded to the type of the tensor."""

    constant: float

    @property
    def name(self) -> str:
        return f"add {self.constant:g}"

    def to_keras(self, array: Array) -> Array:
        result: Array = array + np.asarray(self.constant, array.dtype)
        return result

    def to_torch(self, array: Array) -> Array:
        result: Array = array - np.asarray(self.constant, array.dtype)
        return result


@dataclass(frozen=True)
class Chain:
    """One operation after another."""

    ops: tuple[Op, ...]

    @property
    def name(self) -> str:
        return ", ".join(op.name for op in self.ops)

    def to_keras(self, array: Array) -> Array:
        for op in self.ops:
            array = op.to_keras(array)
        return array

    def to_torch(self, array: Array) -> Array:
        for op in reversed(self.ops):
            array = op.to_torch(array)
        return array


IDENTITY, TRANSPOSE = Identity(), Transpose()
OPS: Mapping[str, Op] = {op.name: op for op in (IDENTITY, TRANSPOSE)}
"""The operations that mappings of schema 1 name."""


def run(op: Op, array: Array, direction: Direction) -> Array:
    """Take a tensor from the side that `direction` reads to the other."""
    return op.to_keras(array) if direction is Direction.TORCH_TO_KERAS else op.to_torch(array)


def rearranged(axes: Axes, sizes: Mapping[str, int]) -> Op:
    """Return the operation that takes a tensor of these axes to Keras."""
    if axes.plain and axes.torch == axes.keras:
        return IDENTITY
    if axes.plain and axes.torch == axes.keras[::-1]:
        return TRANSPOSE
    return Rearrange(axes, tuple((name, sizes[name]) for name in axes.names))


def reordered(axes: Axes, sizes: Mapping[str, int], axis: str, order: tuple[int, ...]) -> Op:
    """Return the operation that puts the blocks of `axis` into Keras' order."""
    return Reorder(axis, order, tuple(sizes[name] for name in axes.names), axes.names.index(axis))


def chained(ops: tuple[Op, ...]) -> Op:
    """Return one operation for several, of which those that do nothing are left out."""
    needed = tuple(op for op in ops if op is not IDENTITY)
    return needed[0] if len(needed) == 1 else Chain(needed) if needed else IDENTITY
