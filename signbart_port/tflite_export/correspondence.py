"""Two .tflite files of one model, of which one stores its weights in a smaller type.

The graphs are followed from the outputs back, side by side. Where every operator of the one is
that of the other, and every constant the nearest that its type allows, the two compute the same but
for that rounding: what is proven of the exact file holds for the graph of the other. Where the
other computes with integers, these are besides for the ranges that a calibration has measured in
the exact file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.errors import printable
from signbart_port.parity.report import Differing
from signbart_port.parity.weights import difference
from signbart_port.tflite import object_tree
from signbart_port.tflite.constants import StoredConstant
from signbart_port.tflite.modes import Precision
from signbart_port.tflite_export import activation_ranges
from signbart_port.tflite_export.activation_ranges import Ranges
from signbart_port.tflite_export.graph_view import Graph, Tree
from signbart_port.tflite_export.weight_matching import differs

_OF_STORAGE = {"asymmetricQuantizeInputs", "quantizedBiasType", "weightsFormat"}
"""The options of operators that say how their weights are stored, not what they compute."""


@dataclass(frozen=True)
class Correspondence:
    """The constants of a file beside those of an exact one of the same graph."""

    constants: int
    """The number of pairs of constants."""
    values: int
    """The number of their values."""
    rounded: int
    """The constants that are stored in a smaller type."""
    wrong: tuple[Differing, ...]
    """Those that are not what their type's rounding gives."""
    parted: str | None = None
    """Where the two graphs part, in words. None: nowhere."""
    activations: int = 0
    """The activations that are integers."""
    out_of_range: tuple[str, ...] = ()
    """Those whose integers are not for the ranges of the calibration, in words."""

    @property
    def same(self) -> bool:
        return not self.wrong and not self.out_of_range and self.parted is None

    def sentence(self) -> str:
        """Return the verdict in words."""
        if self.parted is not None:
            return f"the graph is not that of the float32 file: {self.parted}"
        if self.wrong:
            first = self.wrong[0]
            return (
                f"{len(self.wrong)} constants are wrong: {first.name} in {first.values} of"
                f" {first.of} values"
            )
        if self.out_of_range:
            return f"{len(self.out_of_range)} ranges are wrong: {self.out_of_range[0]}"
        ranges = (
            f"; the ranges of its {self.activations} integer activations are those of calibration"
        )
        return (
            f"the graph is that of the float32 file; of its {self.constants} constants"
            f" {self.rounded} are rounded, each to the nearest, the others equal in every bit"
            f"{ranges if self.activations else ''}"
        )


def correspond(
    exact: bytes,
    other: bytes,
    signature: str,
    precision: Precision,
    ranges: Ranges | None = None,
) -> Correspondence:
    """Hold a signature of a file of `precision` against that of an `exact` one, in float32.

    `ranges` are those of the exact file's activations in a calibration: they are needed where those
    of the other file are integers.
    """
    walk, parted = _Walk(Tree(exact), Tree(other), precision, ranges), None
    try:
        walk.signature(signature)
    except _Parted as where:
        parted = str(where)
    counted = walk.constants, walk.values, walk.rounded
    wrong, unfit = tuple(walk.wrong), tuple(walk.out_of_range)
    return Correspondence(*counted, wrong, parted, walk.activations, unfit)


class _Parted(Exception):
    """Where two graphs differ."""


class _Walk:
    """A walk through both files at once, from the outputs of a signature."""

    def __init__(
        self, exact: Tree, other: Tree, precision: Precision, ranges: Ranges | None
    ) -> None:
        self._trees, self._precision, self._ranges = (exact, other), precision, ranges
        self._graphs: dict[int, int] = {}
        self.constants = self.values = self.rounded = self.activations = 0
        self.wrong: list[Differing] = []
        self.out_of_range: list[str] = []

    @property
    def measured(self) -> bool:
        """Whether there are ranges to hold integers against."""
        return self._ranges is not None

    def signature(self, name: str) -> None:
        """Follow the outputs of a signature. Raises _Parted."""
        one, two = (tree.signatures[name] for tree in self._trees)
        for edge in ("inputs", "outputs"):
            named = [{e.name: e.tensorIndex for e in getattr(s, edge)} for s in (one, two)]
            graphs = [
                tree.graph(s.subgraphIndex) for tree, s in zip(self._trees, (one, two), strict=True)
            ]
            places = [
                {name: getattr(graph, edge).index(int(place)) for name, place in names.items()}
                for graph, names in zip(graphs, named, strict=True)
            ]
            if places[0] != places[1]:
                raise _Parted(f"it has other {edge}")
        self._follow(int(one.subgraphIndex), int(two.subgraphIndex))

    def _follow(self, one: int, two: int) -> None:
        """Follow the outputs of two subgraphs, and those that their operators call."""
        left = [(one, two)]
        while left:
            one, two = left.pop()
            if one in self._graphs:
                if self._graphs[one] != two:
                    raise _Parted("a subgraph of the one is two of the other")
                continue
            self._graphs[one] = two
            exact, other = self._trees[0].graph(one), self._trees[1].graph(two)
            followed = _GraphWalk(self, exact, other)
            left += followed.called()
            if self._ranges is not None:
                places, ranges = followed.integers, exact.ranges(self._ranges.get(one))
                self.activations += sum(other.constant(place) is None for place in places)
                self.out_of_range += other.wrong_ranges(places, ranges)

    def leaf(
        self, expected: StoredConstant | None, stored: StoredConstant | None, *, any_steps: bool
    ) -> bool:
        """Compare two constants of numbers. Returns whether both are such. Of integers with
        `any_steps`, what the steps are is not compared."""
        self.constants += 1
        if expected is None or stored is None:
            return False
        if expected.values.shape != stored.values.shape:
            raise _Parted(f"{printable(expected.name)} has another shape")
        self.values += stored.values.size
        if stored.values.dtype != expected.values.dtype:
            self.rounded += 1
            wrong = differs(expected.real, stored, self._precision, any_steps=any_steps)
        else:
            wrong = _bits(expected.values) != _bits(stored.values)
            if stored.steps is not None and expected.steps is not None:
                wrong = wrong | (_bits(expected.steps.size) != _bits(stored.steps.size))
        if wrong.any():
            mask = np.broadcast_to(wrong, stored.values.shape)
            name = printable(expected.name, 60)
            self.wrong.append(difference(name, expected.real, stored.real, mask))
        return True


class _GraphWalk:
    """The part of a walk that is in one subgraph of each file."""

    def __init__(self, walk: _Walk, exact: Graph, other: Graph) -> None:
        self._walk, self._exact, self._other = walk, exact, other
        self._same: dict[int, int] = {}
        self._shared: set[int] = set()
        self._called: list[tuple[int, int]] = []
        self.integers: dict[int, int] = {}
        """The tensors of the other graph that are integers with a range, constants among them that
        share the steps of an activation: each with the tensor of the exact graph."""

    def called(self) -> list[tuple[int, int]]:
        """Follow every output; return the subgraphs that are called. Raises _Parted."""
        exact, other = self._exact, self._other
        if len(exact.outputs) != len(other.outputs) or len(exact.inputs) != len(other.inputs):
            raise _Parted("a subgraph has another number of inputs or outputs")
        left = list(zip(exact.outputs, other.outputs, strict=True))
        while left:
            one, two = left.pop()
            before, places = exact.converted(one), other.converted(two)
            same = [exact.grid(place) for place in before]
            if any(same) and same != [other.grid(place) for place in places]:
                raise _Parted("an activation has other integers")
            if not self._walk.measured and not any(same) and any(map(other.grid, places[:-1])):
                raise _Parted("an activation is rounded to integers")
            for place in filter(other.grid, places):
                if other.constant(place) is None or place in self._shared:
                    self.integers[place] = before[-1]
            left += self._pair(before[-1], places[-1])
        return self._called

    def _pair(self, one: int, two: int) -> Sequence[tuple[int, int]]:
        """Compare two tensors; return the inputs of what makes them, to be compared next."""
        if self._same.get(one) == two:
            return ()
        # A constant may be there once for each operator, in other steps.
        if one in self._same and self._other.constant(two) is None:
            raise _Parted("a value of the one is two values of the other")
        self._same[one] = two
        makers = self._exact.maker(one), self._other.maker(two)
        if makers[0] is None or makers[1] is None:
            if makers[0] is not makers[1]:
                raise _Parted("what is constant in the one is computed in the other")
            self._leaf(one, two)
            return ()
        (op, output), (op2, output2) = makers[0], makers[1]
        kind, kind2 = self._exact.kind(op), self._other.kind(op2)
        if kind != kind2:
            raise _Parted(f"{kind2} stands for {kind}")
        made = self._exact.grid(one), self._other.grid(two)
        of_constants = kind in activation_ranges.SHARED_STEPS  # such as rows of a table
        if not self._walk.measured and made[1] and not made[0] and not of_constants:
            raise _Parted(f"a {kind} gives integers")
        if output != output2:
            raise _Parted(f"another output of a {kind} is read")
        if _options(op) != _options(op2):
            raise _Parted(f"a {kind} has other options")
        called, called2 = object_tree.called_by(op), object_tree.called_by(op2)
        self._called += [(number, called2[name]) for name, number in called.items()]
        if len(op.inputs) != len(op2.inputs):
            raise _Parted(f"a {kind} has {len(op2.inputs)} inputs, not {len(op.inputs)}")
        pairs = [(int(a), int(b)) for a, b in zip(op.inputs, op2.inputs, strict=True)]
        if kind in activation_ranges.SHARED_STEPS:
            grids = ((place, self._other.grid(place)) for _, place in pairs)
            self._shared.update(place for place, grid in grids if grid and grid.bits)
        if any((a < 0) != (b < 0) for a, b in pairs):
            raise _Parted(f"a {kind} lacks an input")
        return [pair for pair in pairs if pair[0] >= 0]

    def _leaf(self, one: int, two: int) -> None:
        exact, other = self._exact, self._other
        if one in exact.inputs or two in other.inputs:
            if one not in exact.inputs or two not in other.inputs:
                raise _Parted("what is constant in the one is an input of the other")
            if exact.inputs.index(one) != other.inputs.index(two):
                raise _Parted("another input is read")
            return
        shared = two in self._shared
        both = self._walk.leaf(exact.constant(one), other.constant(two), any_steps=shared)
        if not both and exact.raw(one) != other.raw(two):
            raise _Parted("a constant of no weights differs")


def _options(op: Any) -> Mapping[str, Any]:
    """Return what an operator computes with, as plain data."""
    options = [op.builtinOptions, op.builtinOptions2]
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for one in options
        if one is not None
        for name, value in vars(one).items()
        if name not in _OF_STORAGE and name not in object_tree.called_by(op)
    }


def _bits(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values).view(f"u{values.itemsize}")
