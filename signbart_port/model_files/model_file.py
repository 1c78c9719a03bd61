"""A model file of any kind behind one interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

from signbart_port.config import SignBartConfig
from signbart_port.data.model_interface import Interface, Reads
from signbart_port.errors import PortError
from signbart_port.model_files import keras_file
from signbart_port.model_files.checkpoint_model import CheckpointModel, open_checkpoint
from signbart_port.model_files.config_resolution import Options, Resolved
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.model_files.local_weights import local_weights
from signbart_port.model_files.tflite_model import TFLiteModel
from signbart_port.tflite import model_file as tflite
from signbart_port.tflite.modes import Precision
from signbart_port.transfer import Plan, WeightMapping
from signbart_port.untrusted import model_kind
from signbart_port.untrusted.model_kind import ModelKind

_ORDER = list(ModelKind)  # the reference is the one nearer to the source


class ModelFile(Protocol):
    """A checkpoint, a model.h5, or a signature of a .tflite: what each of them tells of itself."""

    @property
    def path(self) -> Path: ...

    @property
    def kind(self) -> ModelKind: ...

    @property
    def format(self) -> str:
        """The framework that runs it, and the precision of a .tflite: a few words for the user."""

    @property
    def sha256(self) -> str: ...

    @property
    def config(self) -> SignBartConfig | None:
        """The config of its model; None for a .tflite."""

    @property
    def precision(self) -> Precision:
        """The type that it computes in and that its weights are stored in."""

    @property
    def interface(self) -> Interface:
        """Its inputs and output: normalized keypoints and logits for a checkpoint or a model.h5."""

    @property
    def reads(self) -> Reads:
        """The joints that it reads, and in which layout."""

    @property
    def labels(self) -> int:
        """The number of its classes."""

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names of its classes; None if the file has none."""

    @property
    def frames(self) -> int | None:
        """The one number of frames that it takes; None where it takes any."""

    @property
    def parameters(self) -> int:
        """The number of values in its weights."""

    def flops(self, frames: int) -> int | None:
        """Return the FLOPs of one forward pass over a clip of `frames` frames; None where the file
        does not tell."""

    def signatures(self) -> tuple[ModelFile, ...]:
        """Return the file once per signature: a .tflite may have several."""

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
        """Notes for the user on the source of the config; none if the file itself holds it."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user on the file, to be read before its results are used."""

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

    `options` and `fallback` are for a file that holds no config, `mapping` is for a checkpoint.
    Raises PortError where it cannot be read, its weights are not those of its config, or a file
    with a config contradicts the options.
    """
    path = local_weights(path, model_kind.ANY_MODEL)
    if model_kind.kind_of(path) is ModelKind.TFLITE:
        return TFLiteModel(tflite.read(path))
    if model_kind.kind_of(path) is ModelKind.KERAS:
        options = replace(options, weights=None)  # it may be for another of several
    return open_weights(path, options, mapping, fallback)


def open_weights(
    path: str | Path,
    options: Options = Options(),
    mapping: WeightMapping | None = None,
    fallback: Resolved | None = None,
) -> WeightFile:
    """Open a checkpoint or a file that Keras saved, as `open_model` does.

    Raises PortError for anything else.
    """
    path = local_weights(path, ".pth, .safetensors, .h5 or .keras")
    if model_kind.kind_of(path) is ModelKind.CHECKPOINT:
        return open_checkpoint(path, options, mapping, fallback)
    model = keras_file.read(path, options, fallback)
    model.check_weights()
    return model


def check_options_used(models: Sequence[ModelFile], options: Options) -> None:
    """Raise PortError for options on a config where no model has one, and for `weights` where none
    is a checkpoint: they would be ignored."""
    if ModelKind.CHECKPOINT not in {one.kind for one in models}:
        options.check_no_weights(models[0].path)
    if all(model.config is None for model in models):
        options.check_unused(models[0].path)


def open_pair(
    a: str | Path, b: str | Path, options: Options, mapping: WeightMapping
) -> tuple[ModelFile, ModelFile]:
    """Open the reference and the candidate: the one nearer to PyTorch comes first, else `a`.

    Raises PortError where one cannot be read.
    """
    first, last = sorted(
        (local_weights(path, model_kind.ANY_MODEL) for path in (a, b)),
        key=lambda path: _ORDER.index(model_kind.kind_of(path)),
    )
    try:
        candidate = open_model(last, options, mapping)  # first: a checkpoint may need its config
    except PortError as error:  # or weights alone may need the reference's
        if model_kind.kind_of(last) is ModelKind.TFLITE or error.path != last:
            raise
        reference = open_model(first, options, mapping)
        return reference, open_model(last, options, mapping, _config_of(reference))
    return open_model(first, options, mapping, _config_of(candidate)), candidate


def _config_of(model: ModelFile) -> Resolved | None:
    """Return the config of a file for another one, which may hold none."""
    if model.config is None:
        return None
    return Resolved(model.config, f"config of {model.path.name}")
