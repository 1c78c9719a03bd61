"""What a file is, what it holds and where it comes from: without any framework."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signbart_port.errors import PortError
from signbart_port.untrusted import model_kind
from signbart_port.untrusted.model_kind import ModelKind
from signbart_port.untrusted.weights_file import weights_file

if TYPE_CHECKING:
    from signbart_port.tflite.card import Card


@dataclass(frozen=True)
class Listed:
    """A tensor in a file."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Inspection:
    """A file in plain data.

    `config` is None, and `config_note` says why, where a file does not tell it. `card` is what a
    .tflite says of itself.
    """

    path: Path
    kind: ModelKind
    sha256: str
    size: int
    tensors: tuple[Listed, ...]
    notes: tuple[str, ...] = ()
    config: dict[str, Any] | None = None
    config_note: str = ""
    provenance: dict[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    card: Card | None = None


def inspect_file(path: str | Path, *, weights: str | None = None) -> Inspection:
    """Describe a model file: its tensors, its config, where it comes from.

    No framework is imported.

    Args:
        path: A .pth, .safetensors, .h5 or .tflite, the index of shards, or a folder with one
            checkpoint.
        weights: The key of the weights that are meant in a checkpoint with several, "ema" for
            averaged ones.

    Returns:
        The description, in plain data.

    Raises:
        PortError: The file is damaged, or of another kind.
    """
    path = weights_file(path)
    kind = model_kind.kind_of(path)
    if kind is ModelKind.CHECKPOINT:
        return _checkpoint(path, weights)
    return {ModelKind.KERAS: _keras, ModelKind.TFLITE: _tflite}[kind](path)


inspect = inspect_file  # its name in version 0.1


def _checkpoint(path: Path, weights: str | None) -> Inspection:
    from signbart_port.checkpoint.adapted import explain
    from signbart_port.model_files import mappings, wanted
    from signbart_port.model_files.config_resolution import Options, on_other_names, resolve
    from signbart_port.verbs.plan import unmapped

    mapping = mappings.signbart()
    checkpoint = wanted.read(path, mapping, weights)
    adapted = None if checkpoint.complete else explain(checkpoint.tensors)
    config: dict[str, Any] | None = None
    note, notes = "", tuple[str, ...]()
    try:
        resolved = resolve(checkpoint, mapping, Options())
        config, note, notes = resolved.config.model_dump(), resolved.origin, resolved.notes
    except PortError as error:
        note = error.what if error.path == path else str(error)
    if adapted:
        notes += (f"{adapted.what}. {adapted.remedy}",)
    elif strange := unmapped(checkpoint, mapping):
        count = f"{len(strange)} of {len(checkpoint.tensors)} names are not SignBART's"
        notes += (f"{count}. {on_other_names(path, mapping, checkpoint)}",)
    return Inspection(
        path=path,
        kind=ModelKind.CHECKPOINT,
        sha256=checkpoint.sha256,
        size=path.stat().st_size,
        tensors=tuple(
            Listed(name, array.shape, checkpoint.dtypes[name])
            for name, array in checkpoint.tensors.items()
        ),
        notes=(*checkpoint.notes, *notes),
        config=config,
        config_note=note,
        facts={"container": checkpoint.container},
    )


def _keras(path: Path) -> Inspection:
    from signbart_port.model_files import h5

    model = h5.read(path)
    return Inspection(
        path=path,
        kind=model.kind,
        sha256=model.sha256,
        size=path.stat().st_size,
        tensors=tuple(Listed(n, t.shape, str(t.dtype)) for n, t in model.tensors.items()),
        config=model.config.model_dump(),
        config_note="stored in the file",
        provenance=model.provenance,
    )


def _tflite(path: Path) -> Inspection:
    from signbart_port.model_files.tflite_model import TFLiteModel
    from signbart_port.tflite import model_file

    file = model_file.read(path)
    model = TFLiteModel(file)
    card = model.card
    return Inspection(
        path=path,
        kind=model.kind,
        sha256=model.sha256,
        size=file.size,
        tensors=tuple(Listed(c.name, c.shape, c.type.lower()) for c in file.constants),
        notes=() if card else ("it has no model card: not written by signbart-port tflite",),
        config_note="a .tflite holds no config",
        facts={
            "precision": model.precision.value,
            "signatures": {
                name: frames or "set at run time" for name, frames in file.lengths.items()
            },
            "joints": file.joints,
            "labels": model.labels,
            "weights by type": file.share_of_types(),
            "operators": dict(file.ops.most_common()),
        },
        card=card,
    )
