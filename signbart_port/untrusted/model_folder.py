"""The model files in a folder."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from signbart_port.untrusted.folder import files_under
from signbart_port.untrusted.model_kind import ModelKind
from signbart_port.untrusted.refusal import naming
from signbart_port.untrusted.weights_file import is_checkpoint

_KERAS_SUFFIXES = (".h5", ".hdf5", ".keras")
_TFLITE_SUFFIX = ".tflite"


def models_in(path: str | os.PathLike[str], kinds: Collection[ModelKind]) -> list[Path]:
    """Return the model files of these kinds in a folder, in the order of their paths; any other
    path as it is.

    Raises PortError for a folder with too many files.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    with naming(path):
        return sorted(one for one in files_under(path) if kind_in_folder(one) in kinds)


def kind_in_folder(path: Path) -> ModelKind | None:
    """Return the kind that the name of a model file tells, damaged or not; None for whatever else
    lies in a folder of models."""
    suffix = path.suffix.lower()
    if suffix == _TFLITE_SUFFIX:
        return ModelKind.TFLITE
    if suffix in _KERAS_SUFFIXES:
        return ModelKind.KERAS
    return ModelKind.CHECKPOINT if is_checkpoint(path) else None
