"""The two files of a comparison, opened, and what each of them can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from signbart_port import transfer
from signbart_port.config import SignBartConfig
from signbart_port.model_files import h5
from signbart_port.model_files.checkpoint_model import Source, open_source
from signbart_port.model_files.config_resolution import Options, Resolved
from signbart_port.tflite.modes import Precision
from signbart_port.transfer import Direction, Plan, WeightMapping
from signbart_port.untrusted import model_kind
from signbart_port.untrusted.model_kind import ModelKind

if TYPE_CHECKING:
    from signbart_port.data.model_interface import Interface
    from signbart_port.tflite.model_file import TFLiteFile

_ORDER = list(ModelKind)  # the reference is the one nearer to the source


@dataclass(frozen=True)
class Opened:
    """An opened file: exactly one of the three is there."""

    path: Path
    source: Source | None = None
    keras: h5.KerasFile | None = None
    tflite: TFLiteFile | None = None

    def signatures(self) -> tuple[Opened, ...]:
        """The same file, once for each of its signatures where it has several: a .tflite."""
        if self.tflite is None or len(self.tflite.lengths) == 1:
            return (self,)
        from signbart_port.tflite import model_file

        return tuple(replace(self, tflite=one) for one in model_file.read_all(self.path))

    @property
    def frames(self) -> int | None:
        """The one number of frames that it takes; None where it takes any."""
        return self.tflite.frames if self.tflite else None

    @property
    def config(self) -> SignBartConfig | None:
        if self.source:
            return self.source.resolved.config
        return self.keras.config if self.keras else None

    @property
    def precision(self) -> Precision:
        return self.tflite.precision if self.tflite else Precision.FLOAT32

    @cached_property
    def interface(self) -> Interface:
        """What it takes and gives; of a model itself, normalised keypoints and logits."""
        from signbart_port.data.model_interface import of_model
        from signbart_port.tflite.file_interface import interface_of

        if self.tflite:
            return interface_of(self.tflite)
        assert self.config is not None
        return of_model(self.config)

    @property
    def labels(self) -> int:
        """How many labels it tells apart."""
        if self.tflite:
            return self.tflite.labels
        assert self.config is not None
        return self.config.num_labels

    @cached_property
    def plan(self) -> Plan | None:
        """How its weights are placed; None for a .tflite."""
        if self.source:
            return self.source.plan
        return h5.plan_of(self.keras) if self.keras else None

    @cached_property
    def torch_tensors(self) -> Mapping[str, NDArray[Any]]:
        """The weights under the PyTorch names of `plan`; none for a .tflite."""
        if self.source:
            return self.source.checkpoint.tensors
        if self.keras is None or self.plan is None:
            return {}
        return dict(transfer.apply(self.plan, Direction.KERAS_TO_TORCH, self.keras.tensors))

    @cached_property
    def keras_tensors(self) -> Mapping[str, NDArray[Any]] | None:
        """The weights under Keras' names and in its order of dimensions: views, where possible."""
        if self.source:
            return dict(
                transfer.apply(self.source.plan, Direction.TORCH_TO_KERAS, self.torch_tensors)
            )
        return self.keras.tensors if self.keras else None

    def tensors_of_reference(self) -> Mapping[str, NDArray[Any]]:
        """The weights under the names of `pt_reference`; none for a .tflite."""
        return self.source.tensors_of_reference() if self.source else self.torch_tensors

    def about_config(self) -> tuple[str, ...]:
        """Where its config comes from, for a person."""
        if self.source is None:
            return ()
        resolved = self.source.resolved
        return (f"config: {resolved.origin}", *resolved.notes)

    def notes(self) -> tuple[str, ...]:
        """The same, with the name of the file."""
        return tuple(f"{self.path}: {note}" for note in self.about_config())


def open_model(
    path: str | Path,
    options: Options = Options(),
    mapping: WeightMapping | None = None,
    fallback: Resolved | None = None,
) -> Opened:
    """A file of any kind; `options`, `mapping` and `fallback` are for a checkpoint.

    Raises PortError where it cannot be read.
    """
    path = Path(path)
    kind = model_kind.kind_of(path)
    if kind is ModelKind.TFLITE:
        from signbart_port.tflite import model_file

        return Opened(path, tflite=model_file.read(path))
    if kind is ModelKind.CHECKPOINT:
        return Opened(path, source=open_source(path, options, mapping, fallback))
    opened = Opened(path, keras=h5.read(path))
    opened.plan  # noqa: B018  refuses a file of other weights
    return opened


def open_pair(
    a: str | Path, b: str | Path, options: Options, mapping: WeightMapping
) -> tuple[Opened, Opened]:
    """The reference and the candidate: the one nearer to PyTorch comes first, else `a`.

    Raises PortError where one cannot be read.
    """
    first, last = sorted(
        (Path(a), Path(b)), key=lambda path: _ORDER.index(model_kind.kind_of(path))
    )
    candidate = open_model(last, options, mapping)  # first: a checkpoint may need its config
    fallback: Resolved | None = None
    if candidate.keras:
        fallback = Resolved(candidate.keras.config, f"config of {last.name}")
    return open_model(first, options, mapping, fallback), candidate
