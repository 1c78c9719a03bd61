"""The integers of activations: their steps are what the ranges of a calibration ask for.

The rules are LiteRT's: an activation has one step, int8 a zero of its own, int16 the zero in the
middle; some operators give integers of a fixed step; and those that only move or choose numbers
have the same steps before and after.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from signbart_port.errors import printable
from signbart_port.tflite import object_tree

Ranges = Mapping[int, NDArray[np.float32]]
"""By subgraph, the least and the largest value of each tensor in a run of a float32 file, in two
columns; NaN for a tensor that is not computed in float32."""

_BITS = {schema.TensorType.INT8: 8, schema.TensorType.INT16: 16}
_SMALLEST_SPAN = 1e-9  # ai-edge-quantizer takes a smaller one for this, lest a step be zero

SHARED_STEPS = {
    *("AVERAGE_POOL_2D", "BROADCAST_TO", "CONCATENATION", "DYNAMIC_UPDATE_SLICE"),
    *("EXPAND_DIMS", "GATHER", "GATHER_ND", "MAX_POOL_2D"),
    *("MAXIMUM", "MINIMUM", "MIRROR_PAD", "PACK"),
    *("PAD", "PADV2", "REDUCE_MAX", "REDUCE_MIN"),
    *("RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SELECT"),
    *("SELECT_V2", "SLICE", "SPACE_TO_DEPTH", "SPLIT"),
    *("SQUEEZE", "STRIDED_SLICE", "TRANSPOSE", "UNPACK"),
}
"""The operators whose inputs and outputs have the same steps."""


@dataclass(frozen=True)
class Grid:
    """The integers of an activation: `size` is their step, `zero` the one that stands for 0."""

    size: float
    zero: int
    bits: int

    @property
    def low(self) -> float:
        return (-(1 << self.bits) // 2 - self.zero) * self.size

    @property
    def high(self) -> float:
        return ((1 << self.bits) // 2 - 1 - self.zero) * self.size

    def covers(self, low: float, high: float) -> bool:
        """Return whether a range is within that of the integers, to a step: those of softmax end
        one below its largest value, 1."""
        return self.low <= low + self.size and self.high >= high - self.size

    def is_like(self, other: Grid) -> bool:
        """Return whether both begin and end at the same numbers, to half a step of the other: the
        zero is one of the integers, which moves a range by as much."""
        half = other.size / 2
        near = abs(self.low - other.low) <= half and abs(self.high - other.high) <= half
        return near and self.bits == other.bits


_UNFIT = Grid(math.nan, 0, 0)
"""One object: since Python 3.13, two with NaN are not equal."""


def grid_of(tensor: Any) -> Grid | None:
    """Return the integers of a tensor that stand for floats; None for one that has none. Of a kind
    that no activation has, those that fit nothing."""
    said = tensor.quantization
    if said is None or said.scale is None or not len(said.scale):
        return None
    if tensor.type not in _BITS or len(said.scale) > 1:
        return _UNFIT
    return Grid(float(said.scale[0]), int(said.zeroPoint[0]), _BITS[tensor.type])


def grid_for(low: float, high: float, bits: int) -> Grid:
    """Return the integers that a range asks for; 0 is always one of them."""
    if bits == 16:
        return Grid(max(abs(low), abs(high), _SMALLEST_SPAN) / (2**15 - 1), 0, bits)
    low, high = min(low, 0.0), max(high, 0.0)
    size = max(high - low, _SMALLEST_SPAN) / (2**8 - 1)
    return Grid(size, round(-(2**7) - low / size), bits)


def fixed_grid(kind: str, bits: int) -> Grid | None:
    """Return the integers that an operator gives whatever its range; None for most."""
    if kind in ("SOFTMAX", "LOGISTIC"):
        return Grid(2**-8, -(2**7), bits) if bits == 8 else Grid(2**-15, 0, bits)
    return Grid(2.0 ** (1 - bits), 0, bits) if kind == "TANH" else None


def wrong_ranges(
    model: Any, graph: Any, places: Mapping[int, int], ranges: NDArray[np.float32]
) -> Iterator[str]:
    """Yield the tensors of a graph whose integers are not those of the calibration, in words.

    `places` are the tensors of the exact file that they stand for, `ranges` are the ranges there.
    """
    grids = {place: grid for place in places if (grid := grid_of(graph.tensors[place]))}
    settled = _settled(model, graph, grids, {place: ranges[places[place]] for place in grids})
    for place, grid in grids.items():
        if place not in settled:
            low, high = ranges[places[place]]
            name = printable(object_tree.text(graph.tensors[place].name) or f"tensor {place}", 60)
            given = "measured no range" if np.isnan(low) else f"gives {low:.4g} to {high:.4g}"
            yield f"{name} has integers for {grid.low:.4g} to {grid.high:.4g}, calibration {given}"


def _settled(
    model: Any, graph: Any, grids: Mapping[int, Grid], ranges: Mapping[int, NDArray[np.float32]]
) -> set[int]:
    """Return the tensors whose integers are right: those of their own range, of their operator, or
    of a tensor that an operator shares its steps with and whose integers cover the range."""
    settled = {
        place
        for place, grid in grids.items()
        if np.isfinite(ranges[place]).all()
        and grid.is_like(grid_for(*_ends(ranges[place]), grid.bits))
    }
    sharing = []
    for op in graph.operators:
        kind = object_tree.kind_of(model, op)
        given, made = (
            [int(n) for n in numbers if n in grids] for numbers in (op.inputs, op.outputs)
        )
        settled |= {place for place in made if grids[place] == fixed_grid(kind, grids[place].bits)}
        if kind in SHARED_STEPS:
            sharing.append([*given, *made])
    grown = True
    while grown:
        before = len(settled)
        for places in sharing:
            steps = {grids[place] for place in places if place in settled}
            settled |= {
                place
                for place in places
                if grids[place] in steps and grids[place].covers(*_ends(ranges[place]))
            }
        grown = len(settled) > before
    return settled


def _ends(measured: NDArray[np.float32]) -> tuple[float, float]:
    low, high = measured
    return float(low), float(high)
