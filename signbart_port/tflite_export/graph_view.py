"""A subgraph of a .tflite, to be followed from its outputs back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.tflite import constants, object_tree
from signbart_port.tflite.constants import StoredConstant
from signbart_port.tflite.signature_graph import CONVERSIONS
from signbart_port.tflite_export import activation_ranges
from signbart_port.tflite_export.activation_ranges import Grid


class Tree:
    """A file."""

    def __init__(self, data: bytes) -> None:
        self.model = object_tree.parsed(data)
        self.signatures = object_tree.signatures(self.model)

    def graph(self, number: int) -> Graph:
        return Graph(self.model, self.model.subgraphs[number])


class Graph:
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

    def converted(self, place: int) -> list[int]:
        """Return this tensor and those that it was converted from, one type after the other."""
        places = [place]
        while place in self._made_by and self.kind(self._made_by[place]) in CONVERSIONS:
            place = int(self._made_by[place].inputs[0])
            places.append(place)
        return places

    def ranges(self, measured: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Complete the ranges of the tensors: with those of constants."""
        ranges = np.full((len(self._graph.tensors), 2), np.nan, np.float32)
        if measured is not None:
            ranges[:] = measured
        for place, one in self._stored.items():
            ranges[place] = one.real.min(initial=0), one.real.max(initial=0)
        return ranges

    def wrong_ranges(self, places: Mapping[int, int], ranges: NDArray[np.float32]) -> Iterator[str]:
        """Yield the tensors whose integers are wrong, see `activation_ranges.wrong_ranges`."""
        return activation_ranges.wrong_ranges(self._model, self._graph, places, ranges)

    def grid(self, place: int) -> Grid | None:
        """Return the integers of a tensor that stand for floats, if there is one step for all."""
        return activation_ranges.grid_of(self._graph.tensors[place])

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
