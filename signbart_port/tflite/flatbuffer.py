"""What a .tflite holds, read off its bytes: operators, constants, signatures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from signbart_port import digest, kinds
from signbart_port.errors import PortError, printable
from signbart_port.parity.tolerances import Precision

SIGNATURE = "serving_default"
_INPUTS = {"keypoints", "attention_mask"}
_LARGEST = 2 << 30
_MOST = 10_000  # frames, and joints
_CONVERT_AGAIN = "Convert it again with: signbart-port tflite model.h5"
_TYPES = {v: k for k, v in vars(schema.TensorType).items() if not k.startswith("_")}
_OPERATORS = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}


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
    """A SignBART .tflite as its bytes have it.

    Custom operators appear in `ops` as `custom:NAME`.
    """

    path: Path
    sha256: str
    size: int
    ops: Counter[str]
    constants: tuple[Constant, ...]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]

    @property
    def frames(self) -> int | None:
        """The static number of frames; None where it is set at run time."""
        frames = self.inputs["keypoints"].shape[1]
        return None if frames == -1 else frames

    @property
    def joints(self) -> int:
        return self.inputs["keypoints"].shape[2]

    @property
    def labels(self) -> int:
        return self.outputs["logits"].shape[-1]

    @property
    def precision(self) -> Precision:
        """What most of the weights are stored in, whatever the file is called."""
        types = self.share_of_types()
        for name, precision in (("INT8", Precision.DYNAMIC), ("FLOAT16", Precision.FLOAT16)):
            if types.get(name, 0) > 0.5:
                return precision
        return Precision.FLOAT32

    def share_of_types(self) -> dict[str, float]:
        """The share of the weights' values in each floating or quantised type."""
        count: Counter[str] = Counter()
        for constant in self.constants:
            if constant.type in ("FLOAT32", "FLOAT16", "INT8"):
                count[constant.type] += prod(constant.shape)
        return (
            {name: n / total for name, n in count.most_common()} if (total := count.total()) else {}
        )


def read(path: str | Path) -> TFLiteFile:
    """Read a .tflite of a SignBART.

    Raises PortError for anything else.
    """
    path = Path(path)
    with opened(path) as model:
        return _describe(path, path.stat().st_size, model)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The object tree (`schema.ModelT`) of a .tflite.

    The one boundary to the format: whatever goes wrong inside leaves as a PortError.
    """
    kinds.expect(path, kinds.ModelKind.TFLITE)
    if (size := path.stat().st_size) > _LARGEST:
        raise PortError(path, f"has {size:,} bytes, more than a .tflite can")
    try:
        yield parsed(path.read_bytes())
    except PortError:
        raise
    except Exception as error:  # whatever damaged offsets provoke in the flatbuffer reader
        what = f"is damaged or truncated ({type(error).__name__})"
        raise PortError(path, what, "Copy or convert it again") from None


def parsed(data: bytes | bytearray) -> Any:
    """The object tree of a .tflite's bytes; its buffers are views of them."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))


def _describe(path: Path, size: int, model: Any) -> TFLiteFile:
    signatures = {_text(s.signatureKey): s for s in model.signatureDefs or []}
    if SIGNATURE not in signatures:
        raise PortError(path, f"has no signature {SIGNATURE}: not a SignBART", _CONVERT_AGAIN)
    signature = signatures[SIGNATURE]
    graph = model.subgraphs[signature.subgraphIndex]
    inputs = {_text(t.name): _tensor(graph.tensors[t.tensorIndex]) for t in signature.inputs}
    outputs = {_text(t.name): _tensor(graph.tensors[t.tensorIndex]) for t in signature.outputs}
    named = inputs.keys() == _INPUTS and outputs.keys() == {"logits"}
    if not named or len(inputs["keypoints"].shape) != 4 or len(outputs["logits"].shape) != 2:
        got = printable(", ".join([*inputs, "->", *outputs]))
        raise PortError(path, f"its signature is not a SignBART's: {got}", _CONVERT_AGAIN)
    joints, frames = inputs["keypoints"].shape[2], inputs["keypoints"].shape[1]
    if not 0 < joints <= _MOST or not (0 < frames <= _MOST or frames == -1):
        raise PortError(path, f"takes {frames} frames of {joints} joints: not a SignBART")
    ops = Counter(
        f"custom:{printable(_text(code.customCode))}"
        if code.builtinCode == schema.BuiltinOperator.CUSTOM
        else _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
        for subgraph in model.subgraphs
        for code in (model.operatorCodes[op.opcodeIndex] for op in subgraph.operators)
    )
    constants = tuple(
        Constant(_text(t.name), tensor.shape, tensor.type, len(data))
        for subgraph in model.subgraphs
        for t, tensor in ((t, _tensor(t)) for t in subgraph.tensors)
        if (data := model.buffers[t.buffer].data) is not None and len(data)
    )
    return TFLiteFile(path, digest.of_file(path), size, ops, constants, inputs, outputs)


def _tensor(tensor: Any) -> Tensor:
    declared = tensor.shapeSignature if tensor.shapeSignature is not None else tensor.shape
    shape = tuple(int(n) for n in (declared if declared is not None else ()))
    return Tensor(shape, _TYPES[tensor.type])


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
