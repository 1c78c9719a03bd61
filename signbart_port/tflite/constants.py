"""The constants of a .tflite with their values: what it has of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from signbart_port.tflite import model_file, object_tree

_EPSILON = float(np.finfo(np.float32).eps)
_DTYPES: dict[int, np.dtype[Any]] = {
    schema.TensorType.FLOAT32: np.dtype("<f4"),
    schema.TensorType.FLOAT16: np.dtype("<f2"),
    schema.TensorType.INT8: np.dtype("i1"),
    schema.TensorType.INT16: np.dtype("<i2"),
    schema.TensorType.INT32: np.dtype("<i4"),
    schema.TensorType.INT64: np.dtype("<i8"),
}
_OF_PRODUCTS = {
    "FULLY_CONNECTED": (0, 1, 2),
    "CONV_2D": (0, 1, 2),
    "DEPTHWISE_CONV_2D": (0, 1, 2),
    "TRANSPOSE_CONV": (2, 1, 3),
}
"""The numbers of the input, the weights and the bias of operators that add an integer bias."""
_LARGEST = {np.dtype("i1"): 2**7 - 1, np.dtype("<i2"): 2**15 - 1}


@dataclass(frozen=True)
class Steps:
    """The scale of integers: their distance from `zero` in steps of this `size`.

    One of each for a whole constant, or for each of its channels, in shapes that broadcast.
    """

    size: NDArray[np.float32]
    zero: NDArray[np.float32]


@dataclass(frozen=True)
class StoredConstant:
    """A constant as the file has it: float32, float16, or integers and their `steps`."""

    name: str
    values: NDArray[Any]
    steps: Steps | None = None

    @property
    def largest(self) -> int | None:
        """The largest integer that a weight of this type may be, and the negative of the smallest:
        0 is in the middle. None for types that no weight is scaled to."""
        return _LARGEST.get(self.values.dtype)

    @property
    def real(self) -> NDArray[np.float32]:
        """The numbers that the values stand for, in float32, as LiteRT computes them."""
        if self.steps is None:
            return self.values.astype(np.float32)
        # Exact: sums of bytes, and in float64 of biases, whose steps are tiny.
        values = self.values.astype(np.float64)
        with np.errstate(all="ignore"):  # a damaged file may hold anything
            return ((values - self.steps.zero) * self.steps.size).astype(np.float32)


def read(file: model_file.TFLiteFile) -> tuple[StoredConstant, ...]:
    """Return the constants of a file's signature that can be weights: no scalars, no integers but
    scaled ones.

    Raises PortError for a damaged file.
    """
    with object_tree.opened(file.path) as model:
        return tuple(stored for _, stored in of(model, file.signature) if stored.values.ndim)


def of(model: Any, signature: str) -> Iterator[tuple[Any, StoredConstant]]:
    """Yield all constants of an object tree's signature, each with its tensor there."""
    yield from of_graph(model, object_tree.graph_of(model, signature))


def of_graph(model: Any, graph: Any) -> Iterator[tuple[Any, StoredConstant]]:
    """Yield all constants of one of its subgraphs, as `of` does."""
    products = dict(_steps_of_products(model, graph))
    for place, tensor in enumerate(graph.tensors):
        data = model.buffers[tensor.buffer].data
        if data is not None and (stored := _stored(tensor, data)) is not None:
            if place in products and stored.steps is not None:
                stored = replace(stored, steps=_as_counted(stored.steps, products[place]))
            yield tensor, stored


def _steps_of_products(model: Any, graph: Any) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Return, for the number of each integer bias, the steps of the product that it is added to."""
    for op in graph.operators:
        given, weights, bias = _OF_PRODUCTS.get(
            object_tree.kind_of(model, op), (0, 0, len(op.inputs))
        )
        if bias < len(op.inputs) and op.inputs[bias] >= 0:
            factors = [graph.tensors[op.inputs[n]].quantization for n in (given, weights)]
            if all(factor is not None and factor.scale is not None for factor in factors):
                yield int(op.inputs[bias]), factors[0].scale * factors[1].scale


def _as_counted(said: Steps, product: NDArray[np.float32]) -> Steps:
    """Return a bias in the steps of its product, as LiteRT counts it, whatever the bias says."""
    if np.allclose(said.size, product, rtol=4 * _EPSILON, atol=0):
        return said
    return Steps(product, np.zeros_like(product))


def _stored(tensor: Any, data: NDArray[np.uint8]) -> StoredConstant | None:
    shape = tuple(int(n) for n in (tensor.shape if tensor.shape is not None else ()))
    dtype = _DTYPES.get(tensor.type)
    if dtype is None or len(data) != prod(shape) * dtype.itemsize:
        return None
    name = (tensor.name or b"").decode("utf-8", "replace")
    values = np.frombuffer(data.tobytes(), dtype).reshape(shape)
    if dtype.kind == "f":
        return StoredConstant(name, values)
    steps = _steps(tensor.quantization, shape)
    return None if steps is None else StoredConstant(name, values, steps)


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
