"""A .tflite without its rounding: the graph in float32, and the weights that the file really has.

A file whose weights are rounded is never near the model that it was made of. It is, within the
criterion for float32, near the model that has these very weights: that proves its graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from signbart_port.config import SignBartConfig
from signbart_port.tflite import constants, object_tree
from signbart_port.tflite.modes import Precision
from signbart_port.tflite.signature_graph import CONVERSIONS
from signbart_port.tflite_export import packing
from signbart_port.tflite_export.converter_rewrites import Float32, positions, query_scaling
from signbart_port.tflite_export.weight_matching import Held, Matching

Float64 = NDArray[np.float64]


def dequantized(
    data: bytes, signature: str, weights: Mapping[str, Float32] = MappingProxyType({})
) -> bytes:
    """Return the same graph with everything in float32 that is stored or computed in integers.

    Every constant is the numbers that it stands for, or those of its name in `weights`, and what
    only converts between types is left out. LiteRT then computes in float32 what it would do with
    activations rounded to integers.
    """
    model = object_tree.parsed(data)
    graph = object_tree.graph_of(model, signature)
    for tensor, stored in list(constants.of(model, signature)):
        exact = weights.get(stored.name)
        if stored.steps is None and exact is None:
            continue
        values = stored.real if exact is None else exact
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
        tensor.type = schema.TensorType.FLOAT32
    for tensor in graph.tensors:
        if tensor.quantization is not None and tensor.quantization.scale is not None:
            tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
    _drop_conversions(model, graph, signature)
    return packing.pack(model)


def _drop_conversions(model: Any, graph: Any, signature: str) -> None:
    """Take out the operators that give what they are given, now that all is float32."""
    source: dict[int, int] = {}
    kept = []
    for op in graph.operators:
        op.inputs = np.array([source.get(int(i), int(i)) for i in op.inputs], np.int32)
        kind = object_tree.kind_of(model, op)
        given, made = (graph.tensors[places[0]] for places in (op.inputs, op.outputs))
        if kind in CONVERSIONS and given.type == made.type:
            source[int(op.outputs[0])] = int(op.inputs[0])
        else:
            kept.append(op)
    graph.operators = kept
    graph.outputs = np.array([source.get(int(i), int(i)) for i in graph.outputs], np.int32)
    for one in object_tree.signatures(model)[signature].outputs:
        one.tensorIndex = source.get(one.tensorIndex, one.tensorIndex)


def as_stored(value: float, precision: Precision) -> float:
    """Return a number of the graph as a file of this precision stores it."""
    return float(np.dtype(precision.spec.float_type).type(value))


def stored(
    found: Matching,
    config: SignBartConfig,
    tensors: Mapping[str, Float32],
    precision: Precision,
) -> dict[str, Float64]:
    """Return the weights, by path, of the Keras model that computes what the file must.

    What the converter multiplied into a weight is divided out, in float64. Positions keep the bias
    that was added to them, which becomes 0 where it was. What the file does not have, it does not
    use, or it is part of other weights: that is as in `tensors`. Nothing may be missing.
    """
    values = {path: tensor.astype(np.float64) for path, tensor in tensors.items()}
    # A kernel's form needs the gains, a bias's form the kernel too.
    with np.errstate(all="ignore"):  # a damaged file may hold anything
        for leaf in ("gamma", "beta", "kernel", "bias", "embeddings"):
            for path, held in found.held.items():
                if path.endswith(f"/{leaf}"):
                    _restore(path, held, config, precision, values)
    return values


def _restore(
    path: str,
    held: Held,
    config: SignBartConfig,
    precision: Precision,
    values: dict[str, Float64],
) -> None:
    module, _, leaf = path.rpartition("/")
    form, real = held.form, held.constant.real.astype(np.float64)
    if module.endswith("/q_proj"):
        scaling = query_scaling(module, config)
        real = real / scaling if form.scaled else real * (as_stored(scaling, precision) / scaling)
    if leaf == "kernel":
        shape = values[path].shape
        kernel = real if form.turned else real.reshape(shape[::-1]).T
        gain = values[f"{form.norm}/gamma"][:, None] if form.norm else np.ones(1)
        # A gain of 0 leaves no trace of the kernel, and the kernel has no effect.
        values[path] = np.divide(kernel, gain, out=values[path], where=gain != 0)
    elif leaf == "bias":
        norm = values[f"{form.norm}/beta"] @ values[f"{module}/kernel"] if form.norm else 0.0
        values[path] = real - norm
    elif leaf == "embeddings" and form.also:
        table = values[path]
        table[positions(table, config, real.size // config.d_model)] = real
        for bias in form.also:
            values[bias] = np.zeros_like(values[bias])
    else:
        values[path] = real.reshape(values[path].shape)
