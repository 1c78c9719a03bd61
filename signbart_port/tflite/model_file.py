"""The content of a .tflite, read off its bytes: operators, constants, signatures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signbart_port.errors import PortError, printable
from signbart_port.system import digest
from signbart_port.tflite import gislr
from signbart_port.tflite.card import OUTPUTS
from signbart_port.tflite.object_tree import opened, runtime_of, signatures
from signbart_port.tflite.signature_graph import (
    SignatureGraph,
    Tensor,
    described,
    inputs_and_outputs,
)

SIGNATURE = "serving_default"
_INPUTS = {"keypoints", "attention_mask"}
_MOST = 10_000  # frames, and joints
_CONVERT_AGAIN = "Make it again, with signbart-port tflite"


def signature_of(frames: int) -> str:
    """Return the name of the signature for this number of frames, if it is not the longest."""
    return f"frames_{frames}"


@dataclass(frozen=True, kw_only=True)
class TFLiteFile(SignatureGraph):
    """One signature of a SignBART .tflite as the file's bytes have it.

    `lengths` are the numbers of frames of all its signatures (None: set at run time). `runtime` is
    the oldest version of TensorFlow Lite that has its operators, as the converter says: None where
    it says nothing, and of integer graphs.
    """

    path: Path
    sha256: str
    size: int
    lengths: Mapping[str, int | None]
    runtime: str | None

    @property
    def frames(self) -> int | None:
        """The static number of frames; None where it is set at run time."""
        return self.lengths[self.signature]

    @property
    def contract(self) -> str | None:
        """The name of the interface that it has, if it is not SignBART's own."""
        return gislr.contract_of(self.inputs)

    @property
    def joints(self) -> int:
        return self._keypoints.shape[-2]

    @property
    def labels(self) -> int:
        return self.outputs[self.output].shape[-1]

    @property
    def output(self) -> str:
        """The name of the output: by SignBART's own interface the kind of the scores, "logits" or
        "probabilities"."""
        return next(iter(self.outputs))

    @property
    def integer_io(self) -> bool:
        """Whether the keypoints and the output are integers."""
        tensors = (self._keypoints, self.outputs[self.output])
        return all(tensor.type in ("INT8", "INT16") for tensor in tensors)

    @property
    def _keypoints(self) -> Tensor:
        return gislr.keypoints_of(self.inputs)


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
    found = described(model, name)
    inputs, outputs = found.inputs, found.outputs
    if gislr.is_signature(_shapes(inputs), _shapes(outputs)) and len(runnable) == 1:
        return _file(path, sha256, found, {name: None}, model)
    named = inputs.keys() == _INPUTS and len(outputs) == 1 and outputs.keys() <= set(OUTPUTS)
    if not named or len(inputs["keypoints"].shape) != 4 or len(_only(outputs).shape) != 2:
        got = printable(", ".join([*inputs, "->", *outputs]))
        raise PortError(path, f"its signature is not a SignBART's: {got}", _CONVERT_AGAIN)
    joints = inputs["keypoints"].shape[2]
    lengths = {key: _frames(model, one) for key, one in runnable.items()}
    for frames in lengths.values():
        if not 0 < joints <= _MOST or not (frames is None or 0 < frames <= _MOST):
            raise PortError(path, f"takes {frames} frames of {joints} joints: not a SignBART")
    ordered = dict(sorted(lengths.items(), key=lambda item: -(item[1] or _MOST)))
    return _file(path, sha256, found, ordered, model)


def _file(
    path: Path, sha256: str, found: SignatureGraph, lengths: Mapping[str, int | None], model: Any
) -> TFLiteFile:
    return TFLiteFile(
        path=path,
        sha256=sha256,
        size=path.stat().st_size,
        lengths=lengths,
        # A quantizer that comes after the converter leaves what was true of the float32 file.
        runtime=None if found.precision.integer else runtime_of(model),
        **vars(found),
    )


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def _frames(model: Any, signature: Any) -> int | None:
    graph = model.subgraphs[signature.subgraphIndex]
    inputs, _ = inputs_and_outputs(graph, signature)
    frames = inputs["attention_mask"].shape[-1]
    return None if frames == -1 else frames


def _only(tensors: dict[str, Tensor]) -> Tensor:
    return next(iter(tensors.values()))
