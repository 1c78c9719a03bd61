"""Two .tflite files of one model, of which one stores its weights in a smaller type.

The graphs are followed from the outputs back, side by side. Where every operator of the one is
that of the other, and every constant the nearest that its type allows, the two compute the same but
for the rounding of the weights: what is proven of the exact file holds for the graph of the other.
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
from signbart_port.tflite import constants, object_tree
from signbart_port.tflite.constants import StoredConstant
from signbart_port.tflite.modes import Precision
from signbart_port.tflite.signature_graph import CONVERSIONS
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

    @property
    def same(self) -> bool:
        return not self.wrong and self.parted is None

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
        return (
            f"the graph is that of the float32 file; of its {self.constants} constants"
            f" {self.rounded} are rounded, each to the nearest, the others equal in every bit"
        )


def correspond(exact: bytes, other: bytes, signature: str, precision: Precision) -> Correspondence:
    """Hold a signature of a file of `precision` against that of an `exact` one, in float32."""
    walk, parted = _Walk(_Tree(exact), _Tree(other), precision), None
    try:
        walk.signature(signature)
    except _Parted as where:
        parted = str(where)
    counted = walk.constants, walk.values, walk.rounded
    return Correspondence(*counted, tuple(walk.wrong), parted)


class _Parted(Exception):
    """Where two graphs differ."""


class _Tree:
    """A file."""

    def __init__(self, data: bytes) -> None:
        self.model = object_tree.parsed(data)
        self.signatures = object_tree.signatures(self.model)

    def graph(self, number: int) -> _Graph:
        return _Graph(self.model, self.model.subgraphs[number])


class _Graph:
    """A subgraph of a file."""

    def __init__(self, model: Any, graph: Any) -> None:
        self._model, self._graph = model, graph
        self.inputs = [int(place) for place in graph.inputs]
        self.outputs = [int(place) for place in graph.outputs]
        self._made_by = {int(place): op for op in graph.operators for place in op.outputs}
        stored = {id(tensor): one for tensor, one in constants.of_graph(model, graph)}
        self._stored = {
            place: stored[id(tensor)]
            for place, tensor in enumerate(graph.tensors)
            if id(tensor) in stored
        }

    def source(self, place: int) -> int:
        """Return the tensor whose numbers a tensor has: what only converts their type is passed."""
        while place in self._made_by and self.kind(self._made_by[place]) in CONVERSIONS:
            place = int(self._made_by[place].inputs[0])
        return place

    def kind(self, op: Any) -> str:
        return object_tree.kind_of(self._model, op)

    def maker(self, place: int) -> tuple[Any, int] | None:
        """Return the operator that makes a tensor, and which of its outputs that is."""
        if place not in self._made_by:
            return None
        op = self._made_by[place]
        return op, [int(output) for output in op.outputs].index(place)

    def constant(self, place: int) -> StoredConstant | None:
        """Return the constant of numbers at a place, if there is one."""
        return self._stored.get(place)

    def raw(self, place: int) -> tuple[int, tuple[int, ...], bytes]:
        """Return the type, shape and bytes of what no operator makes."""
        tensor = self._graph.tensors[place]
        data = self._model.buffers[tensor.buffer].data
        shape = tuple(int(n) for n in (tensor.shape if tensor.shape is not None else ()))
        return tensor.type, shape, b"" if data is None else bytes(data)


class _Walk:
    """A walk through both files at once, from the outputs of a signature."""

    def __init__(self, exact: _Tree, other: _Tree, precision: Precision) -> None:
        self._trees, self._precision = (exact, other), precision
        self._graphs: dict[int, int] = {}
        self.constants = self.values = self.rounded = 0
        self.wrong: list[Differing] = []

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
            graphs = (self._trees[0].graph(one), self._trees[1].graph(two))
            left += _GraphWalk(self, *graphs).called()

    def leaf(self, expected: StoredConstant | None, stored: StoredConstant | None) -> bool:
        """Compare two constants of numbers. Returns whether both are such."""
        self.constants += 1
        if expected is None or stored is None:
            return False
        if expected.values.shape != stored.values.shape:
            raise _Parted(f"{printable(expected.name)} has another shape")
        self.values += stored.values.size
        if stored.values.dtype != expected.values.dtype:
            self.rounded += 1
            wrong = differs(expected.real, stored, self._precision)
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

    def __init__(self, walk: _Walk, exact: _Graph, other: _Graph) -> None:
        self._walk, self._exact, self._other = walk, exact, other
        self._same: dict[int, int] = {}
        self._called: list[tuple[int, int]] = []

    def called(self) -> list[tuple[int, int]]:
        """Follow every output; return the subgraphs that are called. Raises _Parted."""
        exact, other = self._exact, self._other
        if len(exact.outputs) != len(other.outputs) or len(exact.inputs) != len(other.inputs):
            raise _Parted("a subgraph has another number of inputs or outputs")
        left = list(zip(exact.outputs, other.outputs, strict=True))
        while left:
            one, two = left.pop()
            left += self._pair(exact.source(one), other.source(two))
        return self._called

    def _pair(self, one: int, two: int) -> Sequence[tuple[int, int]]:
        """Compare two tensors; return the inputs of what makes them, to be compared next."""
        if one in self._same:
            if self._same[one] != two:
                raise _Parted("a value of the one is two values of the other")
            return ()
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
        if output != output2:
            raise _Parted(f"another output of a {kind} is read")
        if _options(op) != _options(op2):
            raise _Parted(f"a {kind} has other options")
        called, called2 = object_tree.called_by(op), object_tree.called_by(op2)
        self._called += [(number, called2[name]) for name, number in called.items()]
        if len(op.inputs) != len(op2.inputs):
            raise _Parted(f"a {kind} has {len(op2.inputs)} inputs, not {len(op.inputs)}")
        pairs = [(int(a), int(b)) for a, b in zip(op.inputs, op2.inputs, strict=True)]
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
        both = self._walk.leaf(exact.constant(one), other.constant(two))
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
