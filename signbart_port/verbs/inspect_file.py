"""The kind, the content and the origin of a model file, without any framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signbart_port.errors import PortError, first_of
from signbart_port.model_files.local_weights import local_weights
from signbart_port.untrusted import model_kind
from signbart_port.untrusted.model_kind import ModelKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from signbart_port.model_files.config_resolution import Options
    from signbart_port.parity.pair import Pair
    from signbart_port.tflite.card import Card

_MOST_NAMED = 6  # tensors in a note


@dataclass(frozen=True)
class Listed:
    """A tensor in a file."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        return f"<Inspection {self.path}: {self.kind.value}, {len(self.tensors)} tensors>"


def inspect_file(
    path: str | Path,
    *,
    options: Options | None = None,
    pair: str | Pair | None = None,
    config: str | Path | None = None,
) -> Inspection:
    """Describe a model file: its tensors, its config, where it comes from.

    No framework is imported.

    Args:
        path: A .pth, .safetensors, .h5, .keras, .weights.h5 or .tflite, the index of shards, a
            folder with one checkpoint, or the address of one on a hub.
        options: The config of a file that does not hold one: a config file or the name of a
            published one, heads, joints, layout; and which weights are meant in a checkpoint with
            several. Default: what the files themselves tell.
        pair: The pair that a checkpoint is for: its file, which is run, or its name. Then the
            config is the pair's, and what its mapping has no rule for is said.
        config: A YAML or JSON file with the config of the pair's models.

    Returns:
        The description, in plain data.

    Raises:
        PortError: The file is damaged, or of another kind, or contradicts the options.
    """
    path = local_weights(path, model_kind.ANY_MODEL)
    kind = model_kind.kind_of(path)
    if pair is not None and kind is ModelKind.CHECKPOINT:
        return _checkpoint_of_pair(path, pair, config, options.weights if options else None)
    if pair is not None:
        what = "needs no pair to be inspected: it says itself what it was made with"
        raise PortError(path, what, "Leave --pair out")
    if kind is ModelKind.CHECKPOINT:
        return _checkpoint(path, options)
    if (of_pair := _of_pair(path, kind)) is not None:
        if options is not None and options != type(options)():
            raise PortError(path, "is of another model than SignBART's", "Leave the options out")
        return of_pair
    return (_keras if kind is ModelKind.KERAS else _tflite)(path, options)


def write_config(found: Inspection, out: str | Path, *, force: bool = False) -> None:
    """Write the config of an inspected file as YAML or JSON, for `Options.config`.

    Raises PortError where the file tells none, or `out` cannot be written.
    """
    from signbart_port import config as configs
    from signbart_port.config import writing
    from signbart_port.system import atomic_output

    out = Path(out)
    atomic_output.check_suffix(out, writing.SUFFIXES, "a config")
    atomic_output.check(out, force=force, inputs=(found.path,))
    if found.config is None:
        raise PortError(found.path, f"its config is not known: {found.config_note}")
    try:
        text = writing.text_of(found.config, out.suffix)
    except ValueError as error:  # training keys, which nobody has looked at
        raise PortError(found.path, f"its config cannot be written: {error}") from None
    with atomic_output.replacing(out, force=force, inputs=(found.path,)) as temp:
        temp.write_text(text, encoding="utf-8")
        if configs.load(temp) != configs.parse(found.config, found.path):
            raise PortError(found.path, "its config would be read otherwise than it is")


inspect = inspect_file  # its name in version 0.1


def _checkpoint(path: Path, options: Options | None) -> Inspection:
    from signbart_port.checkpoint.adapted import explain
    from signbart_port.model_files import mappings, wanted
    from signbart_port.model_files.config_resolution import Options, on_other_names, resolve
    from signbart_port.verbs.plan import unmapped

    mapping = mappings.signbart()
    checkpoint = wanted.read(path, mapping, options.weights if options else None)
    adapted = None if checkpoint.complete else explain(checkpoint.tensors)
    config: dict[str, Any] | None = None
    note, notes = "", tuple[str, ...]()
    try:
        resolved = resolve(checkpoint, mapping, options or Options())
        config, note, notes = resolved.config.model_dump(), resolved.origin, resolved.notes
    except PortError as error:
        if options is not None:
            raise
        note = str(error)
        if error.path == path:
            complete = checkpoint.complete or not error.hint
            note = error.what if not complete else f"{error.what}. {error.hint}"
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
        notes=(*checkpoint.notes, *notes, *_not_finite(checkpoint.tensors)),
        config=config,
        config_note=note,
        facts={"container": checkpoint.container},
    )


def _not_finite(tensors: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    """Yield a note on the weights that no model computes with."""
    import numpy as np

    names = [
        name
        for name, array in tensors.items()
        if array.dtype.kind == "f" and not np.isfinite(array).all()
    ]
    if names:
        yield f"NaN or infinity in {len(names)} tensors: {first_of(names, _MOST_NAMED)}"


def _keras(path: Path, options: Options | None) -> Inspection:
    from signbart_port.model_files import keras_file
    from signbart_port.model_files.config_resolution import Options, check_own

    found = keras_file.read_any(path)
    config: dict[str, Any] | None = None
    if isinstance(found, keras_file.WeightsAlone):
        tensors, notes = found.weights.tensors, found.weights.notes
        try:
            resolved = found.resolve(options or Options())
            config, note = resolved.config.model_dump(), resolved.origin
            notes += resolved.notes
        except PortError as error:
            if options is not None:
                raise
            note = error.what if error.path == path else str(error)
    else:
        if options is not None:
            check_own(path, found.config, options)
        tensors, notes = found.tensors, found.notes
        config, note = found.config.explicit.model_dump(), "stored in the file"
    return Inspection(
        path=path,
        kind=ModelKind.KERAS,
        sha256=found.sha256,
        size=path.stat().st_size,
        tensors=tuple(Listed(n, t.shape, str(t.dtype)) for n, t in tensors.items()),
        notes=(*notes, *_not_finite(tensors)),
        config=config,
        config_note=note,
        provenance=None if isinstance(found, keras_file.WeightsAlone) else found.provenance,
    )


def _checkpoint_of_pair(
    path: Path, pair: str | Pair, config: str | Path | None, weights: str | None
) -> Inspection:
    """Describe a checkpoint as a pair reads it: its config, and the rules for its tensors."""
    from signbart_port import transfer
    from signbart_port.model_files import wanted
    from signbart_port.model_files.wanted import NamesWanted
    from signbart_port.verbs._pair_config import config_with_pair

    found = config_with_pair(path, pair, config, weights)
    mapping = transfer.load(found.mapping)
    checkpoint = wanted.read(path, mapping, weights)
    shapes = {name: array.shape for name, array in checkpoint.tensors.items()}
    needed, others = NamesWanted(mapping).names(shapes)
    strange = [name for name in shapes if name not in needed | others]
    missing = sorted(needed - shapes.keys())
    named = {
        "without a rule": strange,
        "left behind by the mapping": [name for name in shapes if name in others],
        "missing": missing,
    }
    return Inspection(
        path=path,
        kind=ModelKind.CHECKPOINT,
        sha256=checkpoint.sha256,
        size=path.stat().st_size,
        tensors=tuple(
            Listed(name, array.shape, checkpoint.dtypes[name])
            for name, array in checkpoint.tensors.items()
        ),
        notes=(*checkpoint.notes, *_not_finite(checkpoint.tensors)),
        config=dict(found.config),
        config_note=found.origin,
        facts={
            "container": checkpoint.container,
            "pair": found.pair,
            "mapping": f"{mapping.path.name} ({mapping.family})",
            "with a rule": f"{len(needed & shapes.keys())} of {len(shapes)} tensors",
            **{what: first_of(names, _MOST_NAMED) for what, names in named.items() if names},
        },
    )


def _of_pair(path: Path, kind: ModelKind) -> Inspection | None:
    """Describe a file that was made for a pair, by its bytes alone: no code of a pair runs. None
    for any other file."""
    from signbart_port.model_files import pair_file
    from signbart_port.system import digest

    if (provenance := pair_file.provenance_of(path)) is None:
        return None
    return Inspection(
        path=path,
        kind=kind,
        sha256=digest.of_file(path),
        size=path.stat().st_size,
        tensors=tuple(Listed(*tensor) for tensor in pair_file.tensors_of(path)),
        notes=(f"made for the pair {provenance['pair']['name']}, whose code was not run",),
        config_note="the pair's own, below",
        provenance=provenance,
    )


def _tflite(path: Path, options: Options | None) -> Inspection:
    from signbart_port.model_files.tflite_model import TFLiteModel
    from signbart_port.tflite import model_file

    if options is not None and options != type(options)():
        raise PortError(path, "holds no config that options could complete", "Leave them out")
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
            "runtime": f"TensorFlow Lite {file.runtime} or later" if file.runtime else "not stated",
        },
        card=card,
    )
