"""A model file of any kind behind one interface."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

from signbart_port.config import SignBartConfig
from signbart_port.data.model_interface import Interface
from signbart_port.model_files import h5
from signbart_port.model_files.checkpoint_model import CheckpointModel, open_checkpoint
from signbart_port.model_files.config_resolution import Options, Resolved
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.model_files.tflite_model import TFLiteModel
from signbart_port.tflite import model_file as tflite
from signbart_port.tflite.modes import Precision
from signbart_port.transfer import Plan, WeightMapping
from signbart_port.untrusted import model_kind
from signbart_port.untrusted.model_kind import ModelKind
from signbart_port.untrusted.weights_file import weights_file

_ORDER = list(ModelKind)  # the reference is the one nearer to the source


class ModelFile(Protocol):
    """A checkpoint, a model.h5, or a signature of a .tflite: what each of them tells of itself."""

    @property
    def path(self) -> Path: ...

    @property
    def kind(self) -> ModelKind: ...

    @property
    def format(self) -> str:
        """What runs it, and of a .tflite its precision: a few words for a person."""

    @property
    def sha256(self) -> str: ...

    @property
    def config(self) -> SignBartConfig | None:
        """The config of its model; None for a .tflite."""

    @property
    def precision(self) -> Precision:
        """What it computes in, and what its weights are stored in."""

    @property
    def interface(self) -> Interface:
        """What it takes and gives: of a checkpoint or a model.h5, normalized keypoints and
        logits."""

    @property
    def labels(self) -> int:
        """How many labels it tells apart."""

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names of its labels; None where the file has none."""

    @property
    def frames(self) -> int | None:
        """The one number of frames that it takes; None where it takes any."""

    @property
    def parameters(self) -> int:
        """How many values its weights have."""

    def flops(self, frames: int) -> int | None:
        """FLOPs of one forward pass over a clip of `frames` frames; None where the file does not
        tell."""

    def signatures(self) -> tuple[ModelFile, ...]:
        """The same file, once for each of its signatures where it has several: a .tflite."""

    @property
    def plan(self) -> Plan | None:
        """The place of every weight in both frameworks; None for a .tflite."""

    @property
    def torch_tensors(self) -> Mapping[str, NDArray[Any]]:
        """The weights under the PyTorch names of `plan`; none for a .tflite."""

    @property
    def keras_tensors(self) -> Mapping[str, NDArray[Any]]:
        """The weights by Keras' variable paths, in Keras' order of dimensions, views where
        possible; none for a .tflite."""

    @property
    def reference_tensors(self) -> Mapping[str, NDArray[Any]]:
        """The weights under the names of `pt_reference`; none for a .tflite."""

    @property
    def config_notes(self) -> tuple[str, ...]:
        """Where the config comes from, for a person; nothing where the file itself holds it."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the file before using its results."""

    @property
    def cautions(self) -> tuple[str, ...]:
        """The notes to be said however quiet the program is."""


WeightFile: TypeAlias = CheckpointModel | KerasModel
"""A model file that has a config, and every weight in float32."""


def open_model(
    path: str | Path,
    options: Options = Options(),
    mapping: WeightMapping | None = None,
    fallback: Resolved | None = None,
) -> ModelFile:
    """Open a model file of any kind; of a .tflite its longest signature.

    `options`, `mapping` and `fallback` are for a checkpoint. Raises PortError where it cannot be
    read, or its weights are not those of its config.
    """
    path = weights_file(path)
    if model_kind.kind_of(path) is ModelKind.TFLITE:
        return TFLiteModel(tflite.read(path))
    return open_weights(path, options, mapping, fallback)


def open_weights(
    path: str | Path,
    options: Options = Options(),
    mapping: WeightMapping | None = None,
    fallback: Resolved | None = None,
) -> WeightFile:
    """Open a checkpoint or a model.h5, as `open_model` does.

    Raises PortError for anything else.
    """
    path = weights_file(path)
    if model_kind.kind_of(path) is ModelKind.CHECKPOINT:
        return open_checkpoint(path, options, mapping, fallback)
    model = h5.read(path)
    model.check_weights()
    return model


def open_pair(
    a: str | Path, b: str | Path, options: Options, mapping: WeightMapping
) -> tuple[ModelFile, ModelFile]:
    """Open the reference and the candidate: the one nearer to PyTorch comes first, else `a`.

    Raises PortError where one cannot be read.
    """
    first, last = sorted(
        map(weights_file, (a, b)), key=lambda path: _ORDER.index(model_kind.kind_of(path))
    )
    candidate = open_model(last, options, mapping)  # first: a checkpoint may need its config
    fallback: Resolved | None = None
    if candidate.kind is ModelKind.KERAS and candidate.config is not None:
        fallback = Resolved(candidate.config, f"config of {last.name}")
    return open_model(first, options, mapping, fallback), candidate
