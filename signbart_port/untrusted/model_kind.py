"""The kind of a model file, by its content."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from signbart_port.errors import PortError
from signbart_port.untrusted.file_kind import CHECKPOINTS, Kind, sniff


class ModelKind(Enum):
    """The three kinds of model file, from the source of a conversion to its end."""

    CHECKPOINT = "PyTorch checkpoint"
    KERAS = "Keras model"
    TFLITE = "TFLite model"


ANY_MODEL = ".pth, .safetensors, .h5, .keras or .tflite"
_KINDS = dict.fromkeys(CHECKPOINTS, ModelKind.CHECKPOINT) | {
    Kind.HDF5: ModelKind.KERAS,
    Kind.KERAS: ModelKind.KERAS,
    Kind.TFLITE: ModelKind.TFLITE,
}


def kind_of(path: str | Path) -> ModelKind:
    """Return the kind of a model file; raises PortError for any other file and names its kind."""
    kind = sniff(path)
    if kind in _KINDS:
        return _KINDS[kind]
    what = f"is {kind.noun}" if kind else "is of no known kind"
    hint = (kind and kind.remedy) or "Give the file of a model"
    raise PortError(path, f"{what}, not a {ANY_MODEL} model", hint)


def stem_of(path: Path) -> str:
    """Return the name of a file without the suffix of its kind: `model` of `model.weights.h5`."""
    return path.name.removesuffix(".weights.h5").removesuffix(path.suffix)


def check_kind(path: str | Path, kind: ModelKind) -> None:
    """Raise PortError unless `path` is of this kind."""
    found = sniff(path)
    if found is not None and _KINDS.get(found) is kind:
        return
    what = f"is {found.noun}" if found else "is of no known kind"
    hint = found.remedy if found else ""
    if kind is ModelKind.KERAS and found and _KINDS.get(found) is ModelKind.CHECKPOINT:
        hint = "Convert it first, with signbart-port convert"
    raise PortError(path, f"{what}, not a {kind.value}", hint)
