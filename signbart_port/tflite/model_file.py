"""The content of a .tflite, read off its bytes: operators, constants, signatures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from signbart_port.errors import PortError, printable
from signbart_port.system import digest
from signbart_port.tflite.card import OUTPUTS
from signbart_port.tflite.modes import PRECISIONS, Precision, precision_of
from signbart_port.tflite.object_tree import graph_of, kind_of, opened, signatures, text

SIGNATURE = "serving_default"
PRODUCTS = ("FULLY_CONNECTED", "BATCH_MATMUL")
_INPUTS = {"keypoints", "attention_mask"}
_WEIGHT_TYPES = {spec.weight_type for spec in PRECISIONS.values()}
_ACTIVATION_TYPES = {spec.activation_type for spec in PRECISIONS.values()}
_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
_MOST = 10_000  # frames, and joints
_CONVERT_AGAIN = "Make it again, with signbart-port tflite"
_TYPES = {v: k for k, v in vars(schema.TensorType).items() if not k.startswith("_")}


def signature_of(frames: int) -> str:
    """Return the name of the signature for this number of frames, if it is not the longest."""
    return f"frames_{frames}"


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


@dataclass(frozen=True)
class TFLiteFile:
    """One signature of a SignBART .tflite as the file's bytes have it.

    `lengths` are the numbers of frames of all its signatures (None: set at run time). `ops` are
    counted by name, a custom one as `custom:NAME`; `computed` by the type of what they give, and
    of these the matrix `products`.
    """

    path: Path
    sha256: str
    size: int
    signature: str
    lengths: Mapping[str, int | None]
    ops: Counter[str]
    computed: Counter[str]
    products: Counter[str]
    constants: tuple[Constant, ...]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]

    @property
    def frames(self) -> int | None:
        """The static number of frames; None where it is set at run time."""
        return self.lengths[self.signature]

    @property
    def joints(self) -> int:
        return self.inputs["keypoints"].shape[2]

    @property
    def labels(self) -> int:
        return self.outputs[self.output].shape[-1]

    @property
    def output(self) -> str:
        """The kind of the scores: "logits" or "probabilities"."""
        return next(iter(self.outputs))

    @property
    def precision(self) -> Precision:
        """The type that it multiplies matrices in and that most of its weights are stored in, as
        its bytes show.

        A file whose activations are integers may keep some operators in float.
        """
        return precision_of(self.products, self.share_of_types())

    @property
    def integer_io(self) -> bool:
        """Whether the keypoints and the output are integers."""
        tensors = (self.inputs["keypoints"], self.outputs[self.output])
        return all(tensor.type in ("INT8", "INT16") for tensor in tensors)

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


def read(path: str | Path, signature: str = SIGNATURE) -> TFLiteFile:
    """Read a signature of a SignBART's .tflite.

    Raises PortError for anything else.
    """
    path = Path(path)
    with opened(path) as model:
        return _describe(path, digest.of_file(path), model, signature)


def read_all(path: str | Path) -> tuple[TFLiteFile, ...]:
    """Read every signature of a SignBART's .tflite, the longest first.

    Raises PortError for anything else.
    """
    path = Path(path)
    with opened(path) as model:
        sha256 = digest.of_file(path)
        default = _describe(path, sha256, model, SIGNATURE)
        others = [name for name in default.lengths if name != SIGNATURE]
        return (default, *(_describe(path, sha256, model, name) for name in others))


def _describe(path: Path, sha256: str, model: Any, name: str) -> TFLiteFile:
    runnable = signatures(model)
    if name not in runnable:
        raise PortError(path, f"has no signature {name}: not a SignBART", _CONVERT_AGAIN)
    graph = graph_of(model, name)
    inputs, outputs = _inputs_and_outputs(graph, runnable[name])
    named = inputs.keys() == _INPUTS and len(outputs) == 1 and outputs.keys() <= set(OUTPUTS)
    if not named or len(inputs["keypoints"].shape) != 4 or len(_only(outputs).shape) != 2:
        got = printable(", ".join([*inputs, "->", *outputs]))
        raise PortError(path, f"its signature is not a SignBART's: {got}", _CONVERT_AGAIN)
    joints = inputs["keypoints"].shape[2]
    lengths = {key: _frames(model, one) for key, one in runnable.items()}
    for frames in lengths.values():
        if not 0 < joints <= _MOST or not (frames is None or 0 < frames <= _MOST):
            raise PortError(path, f"takes {frames} frames of {joints} joints: not a SignBART")
    operators = [
        (
            kind_of(model, op),
            _TYPES[graph.tensors[op.outputs[0]].type],
        )
        for op in graph.operators
    ]
    return TFLiteFile(
        path=path,
        sha256=sha256,
        size=path.stat().st_size,
        signature=name,
        lengths=dict(sorted(lengths.items(), key=lambda item: -(item[1] or _MOST))),
        ops=Counter(kind for kind, _ in operators),
        computed=Counter(of for kind, of in operators if kind not in _CONVERSIONS),
        products=Counter(of for kind, of in operators if kind in PRODUCTS),
        constants=tuple(
            Constant(text(t.name), tensor.shape, tensor.type, len(data))
            for t, tensor in ((t, _tensor(t)) for t in graph.tensors)
            if (data := model.buffers[t.buffer].data) is not None and len(data)
        ),
        inputs=inputs,
        outputs=outputs,
    )


def _inputs_and_outputs(graph: Any, signature: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    inputs, outputs = (
        {text(t.name): _tensor(graph.tensors[t.tensorIndex]) for t in edge}
        for edge in (signature.inputs, signature.outputs)
    )
    return inputs, outputs


def _frames(model: Any, signature: Any) -> int | None:
    graph = model.subgraphs[signature.subgraphIndex]
    inputs, _ = _inputs_and_outputs(graph, signature)
    frames = inputs["attention_mask"].shape[-1]
    return None if frames == -1 else frames


def _only(tensors: dict[str, Tensor]) -> Tensor:
    return next(iter(tensors.values()))


def _shares(count: Counter[str]) -> dict[str, float]:
    total = count.total()
    return {name: n / total for name, n in count.most_common()} if total else {}


def _tensor(tensor: Any) -> Tensor:
    declared = tensor.shapeSignature if tensor.shapeSignature is not None else tensor.shape
    shape = tuple(int(n) for n in (declared if declared is not None else ()))
    return Tensor(shape, _TYPES[tensor.type])
