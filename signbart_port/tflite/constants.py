"""The constants of a .tflite with their values: what it has of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from signbart_port.tflite import flatbuffer

_DTYPES: dict[int, np.dtype[Any]] = {
    schema.TensorType.FLOAT32: np.dtype("<f4"),
    schema.TensorType.FLOAT16: np.dtype("<f2"),
    schema.TensorType.INT8: np.dtype("i1"),
}


@dataclass(frozen=True)
class Steps:
    """What int8 values stand for: their distance from `zero` in steps of this `size`.

    One of each for a whole constant, or for each of its channels, in shapes that broadcast.
    """

    size: NDArray[np.float32]
    zero: NDArray[np.float32]


@dataclass(frozen=True)
class Stored:
    """A constant as the file has it: float32, float16, or int8 and its `steps`."""

    name: str
    values: NDArray[Any]
    steps: Steps | None = None

    @property
    def real(self) -> NDArray[np.float32]:
        """The numbers that the values stand for, in float32, as LiteRT computes them."""
        values = self.values.astype(np.float32)
        if self.steps is None:
            return values
        with np.errstate(all="ignore"):  # a damaged file may hold anything
            return (values - self.steps.zero) * self.steps.size


def read(path: Path) -> tuple[Stored, ...]:
    """The constants of a .tflite that can be weights: no scalars, no integers but scaled ones.

    Raises PortError for a damaged file.
    """
    with flatbuffer.opened(path) as model:
        return tuple(stored for _, stored in of(model))


def of(model: Any) -> Iterator[tuple[Any, Stored]]:
    """The same of an object tree, each with its tensor there."""
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            if data is not None and (stored := _stored(tensor, data)) is not None:
                yield tensor, stored


def _stored(tensor: Any, data: NDArray[np.uint8]) -> Stored | None:
    shape = tuple(int(n) for n in (tensor.shape if tensor.shape is not None else ()))
    dtype = _DTYPES.get(tensor.type)
    if not shape or dtype is None or len(data) != prod(shape) * dtype.itemsize:
        return None
    name = (tensor.name or b"").decode("utf-8", "replace")
    values = np.frombuffer(data.tobytes(), dtype).reshape(shape)
    if dtype != np.int8:
        return Stored(name, values)
    steps = _steps(tensor.quantization, shape)
    return None if steps is None else Stored(name, values, steps)


def _steps(quantization: Any, shape: tuple[int, ...]) -> Steps | None:
    if quantization is None or quantization.scale is None or quantization.zeroPoint is None:
        return None
    along = [1] * len(shape)
    if len(quantization.scale) > 1:
        along[quantization.quantizedDimension] = -1
    size, zero = (
        np.asarray(numbers, np.float32).reshape(along)
        for numbers in (quantization.scale, quantization.zeroPoint)
    )
    fits = all(n in (1, length) for n, length in zip(size.shape, shape, strict=True))
    return Steps(size, zero) if fits and size.shape == zero.shape else None
