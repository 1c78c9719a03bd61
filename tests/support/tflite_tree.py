"""The object tree of a .tflite, to be made wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from signbart_port.tflite import constants, model_file, object_tree


class Tree:
    """The object tree of a file with one signature, to be changed where it is wrong."""

    def __init__(self, data: bytes) -> None:
        self.model = object_tree.parsed(data)
        self.graph = object_tree.graph_of(self.model, model_file.SIGNATURE)

    def ops(self, kind: str) -> list[Any]:
        return [op for op in self.graph.operators if self.kind(op) == kind]

    def kind(self, op: Any) -> str:
        return object_tree.kind_of(self.model, op)

    def tensor(self, place: int) -> Any:
        return self.graph.tensors[place]

    def data(self, tensor: Any) -> np.ndarray:
        """Return the values of a constant, to be changed; whoever shared its buffer keeps the old
        ones."""
        dtype = {
            schema.TensorType.INT8: "i1",
            schema.TensorType.INT16: "<i2",
            schema.TensorType.INT32: "<i4",
            schema.TensorType.INT64: "<i8",
            schema.TensorType.FLOAT32: "<f4",
        }[tensor.type]
        buffer = schema.BufferT()
        buffer.data = np.array(self.model.buffers[tensor.buffer].data)
        tensor.buffer = len(self.model.buffers)
        self.model.buffers.append(buffer)
        return buffer.data.view(dtype).reshape(tensor.shape if len(tensor.shape) else ())

    def steps(self, tensor: Any) -> np.ndarray:
        """Return the size of a constant's steps, to be changed."""
        tensor.quantization.scale = np.array(tensor.quantization.scale)
        scales: np.ndarray = tensor.quantization.scale
        return scales

    def holding(self, weight: np.ndarray) -> Any:
        """Return the tensor whose numbers are nearest to these, in the file's order of
        dimensions."""
        found = [
            (np.abs(stored.real - weight).max(), place)
            for place, (_, stored) in enumerate(constants.of(self.model, model_file.SIGNATURE))
            if stored.values.shape == weight.shape
        ]
        return list(constants.of(self.model, model_file.SIGNATURE))[min(found)[1]][0]
