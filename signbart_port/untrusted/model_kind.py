"""The kind of a model file, by its content."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from signbart_port.errors import PortError
from signbart_port.untrusted.file_kind import CHECKPOINTS, Kind, sniff
from signbart_port.untrusted.refusal import SAVE_STATE_DICT


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


_INSTEAD = {
    (ModelKind.CHECKPOINT, ModelKind.KERAS): (
        "signbart-port export makes a .pth of it, signbart-port tflite a .tflite"
    ),
    (ModelKind.CHECKPOINT, ModelKind.TFLITE): (
        "Give the .pth that it was made of: a .tflite does not keep its weights by name"
    ),
    (ModelKind.KERAS, ModelKind.CHECKPOINT): "signbart-port convert makes a Keras model of it",
    (ModelKind.KERAS, ModelKind.TFLITE): (
        "Give the .h5 that it was made of: a .tflite does not keep its weights by name"
    ),
    (ModelKind.TFLITE, ModelKind.CHECKPOINT): "signbart-port tflite makes one of it",
    (ModelKind.TFLITE, ModelKind.KERAS): "signbart-port tflite makes one of it",
}
"""What to do with a model of the second kind where one of the first is taken."""
_TAKEN = {
    ModelKind.CHECKPOINT: SAVE_STATE_DICT,
    ModelKind.KERAS: "Give a .h5 or .keras",
    ModelKind.TFLITE: "Give a .tflite",
}
"""What is taken, for a file that is no model."""


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
    raise PortError(path, f"{what}, not a {kind.value}", remedy(found, kind))


def remedy(found: Kind | None, kind: ModelKind) -> str:
    """Return what to do with a file that is of the kind `found`, where `kind` is taken."""
    own = found.remedy if found else ""
    model = _KINDS.get(found) if found else None
    return own or (_INSTEAD[kind, model] if model else _TAKEN[kind])
