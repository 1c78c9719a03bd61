"""A signature of any .tflite: its inputs and outputs, operators, constants."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from signbart_port.tflite.modes import PRECISIONS, Precision, precision_of
from signbart_port.tflite.object_tree import graph_of, kind_of, signatures, text

PRODUCTS = ("FULLY_CONNECTED", "BATCH_MATMUL")
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
_WEIGHT_TYPES = {spec.weight_type for spec in PRECISIONS.values()}
_ACTIVATION_TYPES = {spec.activation_type for spec in PRECISIONS.values()}
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
"""The operators that only convert the type of numbers."""
_TYPES = {v: k for k, v in vars(schema.TensorType).items() if not k.startswith("_")}


@dataclass(frozen=True)
class Constant:
    """A weight, or another constant of the graph."""

    name: str
    shape: tuple[int, ...]
    type: str
    bytes: int


@dataclass(frozen=True)
class Tensor:
    """An input or output of a signature.

    -1 stands for a dimension that is set at run time.
    """

    shape: tuple[int, ...]
    type: str
    scale: float | None = None
    """Of integers that stand for real numbers: their step."""
    zero_point: int | None = None
    """Of such integers, the one that stands for 0."""


@dataclass(frozen=True, kw_only=True)
class SignatureGraph:
    """One signature as the file's bytes have it.

    `ops` are counted by name, a custom one as `custom:NAME`; `computed` by the type of what they
    give, and of these the `products` of matrices, convolutions among them.
    """

    signature: str
    ops: Counter[str]
    computed: Counter[str]
    products: Counter[str]
    constants: tuple[Constant, ...]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    graph: int
    """The number of its graph in the file: a runtime that knows no signatures runs the first."""
    positions: tuple[str, ...]
    """The names of the inputs in the order of the graph's own."""

    @property
    def precision(self) -> Precision:
        """The type that it multiplies matrices in and that most of its weights are stored in, as
        its bytes show.

        A file whose activations are integers may keep some operators in float.
        """
        return precision_of(self.products, self.share_of_types())

    @property
    def integers(self) -> dict[str, dict[str, Any]]:
        """The inputs and outputs that are integers for floats, as plain data."""
        return {
            name: {"type": one.type.lower(), "scale": one.scale, "zero_point": one.zero_point}
            for name, one in (self.inputs | self.outputs).items()
            if one.scale is not None
        }

    def share_of_types(self) -> dict[str, float]:
        """Return the share of the weights' values in each floating or quantized type."""
        count: Counter[str] = Counter()
        for constant in self.constants:
            if constant.type in _WEIGHT_TYPES:
                count[constant.type] += prod(constant.shape)
        return _shares(count)

    def share_of_computation(self) -> dict[str, float]:
        """Return the share of the operators that compute in each of these types.

        Those that only convert, or compute with frame numbers, are not counted.
        """
        return _shares(Counter({t: n for t, n in self.computed.items() if t in _ACTIVATION_TYPES}))


def described(model: Any, name: str) -> SignatureGraph:
    """Return a signature of an object tree. Raises KeyError where it has none of that name."""
    found, graph = signatures(model)[name], graph_of(model, name)
    inputs, outputs = inputs_and_outputs(graph, found)
    numbers = {text(one.name): one.tensorIndex for one in found.inputs}
    order = list(graph.inputs)
    operators = [
        (kind_of(model, op), _TYPES[graph.tensors[op.outputs[0]].type]) for op in graph.operators
    ]
    return SignatureGraph(
        signature=name,
        ops=Counter(kind for kind, _ in operators),
        computed=Counter(of for kind, of in operators if kind not in CONVERSIONS),
        products=Counter(of for kind, of in operators if kind in (*PRODUCTS, *_CONVOLUTIONS)),
        constants=tuple(
            Constant(text(t.name), tensor.shape, tensor.type, len(data))
            for t, tensor in ((t, _tensor(t)) for t in graph.tensors)
            if (data := model.buffers[t.buffer].data) is not None and len(data)
        ),
        inputs=inputs,
        outputs=outputs,
        graph=int(found.subgraphIndex),
        positions=tuple(sorted(inputs, key=lambda name: order.index(numbers[name]))),
    )


def inputs_and_outputs(graph: Any, signature: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the inputs and outputs of a signature by name."""
    inputs, outputs = (
        {text(t.name): _tensor(graph.tensors[t.tensorIndex]) for t in edge}
        for edge in (signature.inputs, signature.outputs)
    )
    return inputs, outputs


def _shares(count: Counter[str]) -> dict[str, float]:
    total = count.total()
    return {name: n / total for name, n in count.most_common()} if total else {}


def _tensor(tensor: Any) -> Tensor:
    declared = tensor.shapeSignature if tensor.shapeSignature is not None else tensor.shape
    shape = tuple(int(n) for n in (declared if declared is not None else ()))
    steps = tensor.quantization
    if steps is None or steps.scale is None or len(steps.scale) != 1:  # none, or one a channel
        return Tensor(shape, _TYPES[tensor.type])
    return Tensor(shape, _TYPES[tensor.type], float(steps.scale[0]), int(steps.zeroPoint[0]))
