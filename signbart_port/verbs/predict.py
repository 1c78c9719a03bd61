"""The sign that a clip shows, by a model of any kind, from keypoints as a detector gives them.

What a .tflite needs is imported for it and nothing else: it runs where no framework is installed,
and its interpreter starts before NumPy is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from signbart_port.data.clip_format import AS_STORED, ClipFormat
from signbart_port.errors import PortError
from signbart_port.inference.logits import Inference, Outputs
from signbart_port.model_files.in_memory import ModelSource, files_of
from signbart_port.model_files.local_weights import local_weights
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.untrusted import model_kind
from signbart_port.untrusted.model_kind import ModelKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from signbart_port.data.samples import Sample
    from signbart_port.model_files.config_resolution import Options
    from signbart_port.model_files.model_file import WeightFile
    from signbart_port.tflite.card import Card
    from signbart_port.tflite.runner import SignatureInputs

Clip: TypeAlias = "str | Path | NDArray[np.floating]"
"""A clip by its file, or as an array."""
_SHOWN = 4  # clips in a repr
_PACKAGES = {ModelKind.CHECKPOINT: "PyTorch", ModelKind.KERAS: "TensorFlow"}


@dataclass(frozen=True)
class Guess:
    """A class, its label where one is known, and its probability."""

    id: int
    label: str | None
    probability: float


@dataclass(frozen=True, repr=False)
class Predicted:
    """The output of a model for one clip."""

    clip: Sample
    scores: NDArray[np.floating]
    """(classes,): logits or probabilities, see `Prediction.output`."""
    probabilities: NDArray[np.floating]
    """(classes,)"""
    inputs: SignatureInputs | None = None
    """The inputs of the signature that ran; only of a .tflite."""

    def __repr__(self) -> str:
        return f"<Predicted {self.clip.path}>"

    @property
    def fed(self) -> SignatureInputs | None:
        """`inputs`, by their name in version 0.1."""
        return self.inputs


@dataclass(frozen=True, repr=False)
class Prediction:
    """A model's output for some clips: `output` is "logits" or "probabilities"."""

    model: Path
    labels: tuple[str, ...] | None
    output: str
    clips: tuple[Predicted, ...]
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    """The notes to be said however quiet the program is."""
    form: ClipFormat = AS_STORED
    """What was said of the clips."""

    def __repr__(self) -> str:
        said = [f"{one.clip.path.name} {self._first(one)}" for one in self.clips[:_SHOWN]]
        more = ", ..." if len(self.clips) > _SHOWN else ""
        return f"<Prediction {self.model}: {', '.join(said)}{more}>"

    def _first(self, clip: Predicted) -> str:
        (guess,) = self.best(clip, 1)
        return f"{guess.label or f'class {guess.id}'} {guess.probability:.0%}"

    def best(self, clip: Predicted, count: int) -> Iterator[Guess]:
        """Yield the most probable classes, in descending order; of equal ones the lower id comes
        first."""
        import numpy as np

        for number in np.argsort(-clip.probabilities, kind="stable")[:count].tolist():
            label = None if self.labels is None else self.labels[number]
            yield Guess(number, label, float(clip.probabilities[number]))


def predict(
    model: ModelSource,
    clips: Clip | Sequence[Clip],
    *,
    labels: str | Path | None = None,
    options: Options | None = None,
    mapping: str | Path | None = None,
    skeleton: str | None = None,
    frame_size: str | Sequence[int] | None = None,
    progress: ProgressCallback = no_progress,
) -> Prediction:
    """Classify clips with a model of any kind.

    A .tflite is run without any framework.

    Args:
        model: A .pth, .safetensors, .h5, .keras, .weights.h5 or .tflite; a PyTorch module, a state
            dict or a Keras model.
        clips: Raw keypoints of a sign: a .pkl, .npz, .npy or .json each, or an array (T, K, 2 or
            more); or one alone. An .npz may hold several, one after the other, with their
            `lengths`.
        labels: A file with the names of the classes: a label2id.json, a JSON list, or a text file
            with one a line. Default: those that the model's file or config has.
        options: The config of a file that does not hold one: a config file or the name of a
            published one, heads, joints, layout. Default: what the files themselves tell.
        mapping: The names of the checkpoint's tensors: a mapping file, or a mapping that comes with
            this program by its name, such as "hf-bart". Default: SignBART's own names.
        skeleton: The name of the clips' skeleton, such as "holistic-543". Default: the model's.
        frame_size: Width and height of the frames, for clips in pixels.
        progress: Called with the name of each step as it begins.

    Returns:
        Scores and probabilities of every clip.

    Raises:
        PortError: A file cannot be used, or the labels are not as many as the model's classes.
    """
    # An array of one clip has three axes.
    alone = isinstance(clips, str | Path) or getattr(clips, "ndim", None) == 3
    given = cast("Sequence[Clip]", [clips] if alone else clips)
    if not hasattr(given, "__len__"):
        what = f"{type(clips).__name__} is no clip"
        raise PortError(None, what, "Give a path, an array (T, K, 2 or more), or a list of them")
    if not len(given):
        raise PortError(None, "no clip is given")
    form = ClipFormat.parse(skeleton, frame_size)
    with files_of(model) as files:
        found = _predict_file(
            local_weights(files.paths[0], model_kind.ANY_MODEL, progress),
            given,
            labels,
            options,
            mapping,
            form,
            progress,
        )
        if not files.names:
            return found
        return replace(
            found,
            model=Path(*files.names.values()),
            notes=tuple(map(files.named, (*found.notes, *files.notes))),
            cautions=tuple(map(files.named, (*found.cautions, *files.notes))),
        )


def _predict_file(
    model: Path,
    clips: Sequence[Clip],
    labels: str | Path | None,
    options: Options | None,
    mapping: str | Path | None,
    form: ClipFormat,
    progress: ProgressCallback,
) -> Prediction:
    with ExitStack() as stack:
        early = None
        if model.suffix == ".tflite":
            early = stack.enter_context(Inference(model, ModelKind.TFLITE))

        from signbart_port.data import samples
        from signbart_port.data.labels import LABELS_OF_MODEL, read_labels
        from signbart_port.verbs._clip_notes import check_coordinates, clip_notes

        kind = model_kind.kind_of(model)
        named = None if labels is None else read_labels(labels)
        read = [
            sample
            for number, clip in enumerate(clips, 1)
            for sample in (
                samples.read_clips(clip)
                if isinstance(clip, str | Path)
                else [samples.of_array(clip, f"clip {number}")]
            )
        ]
        paths = [clip.path for clip in read]
        check_coordinates(read, form)
        keypoints = [clip.keypoints for clip in read]
        card: Card | None = None
        opened: WeightFile | None = None
        if kind is ModelKind.TFLITE:
            if options is not None:
                options.check_unused(model)
            run = early or stack.enter_context(Inference(model, kind))
            run.send(keypoints, paths, form=form)
            card, notes = _about_tflite(model)
            own = card.labels if card else None
            cautions: tuple[str, ...] = ()
        else:
            progress(f"Importing {_PACKAGES[kind]}")
            run = stack.enter_context(Inference(model, kind))
            opened = _opened(model, options, mapping)
            run.send(keypoints, paths, opened, form)
            own, notes, cautions = opened.class_names, opened.notes, opened.cautions
            progress(f"Running {opened.format}")
        outputs = run.outputs()
    outputs.check_finite(model)
    if opened is not None:
        read_by = opened.interface.reads(opened.reads)
    else:
        card = card or _without_card(outputs)
        read_by = card.interface_of(model).reads(card)
    known, classes = own if named is None else named, outputs.scores.shape[1]
    if known is not None and len(known) != classes:
        what = f"has {len(known)} labels, the model {classes} classes"
        raise PortError(labels if named is not None else model, what, LABELS_OF_MODEL)
    predicted = tuple(
        Predicted(*one)
        for one in zip(
            read,
            outputs.scores,
            outputs.probabilities,
            outputs.inputs or [None] * len(read),
            strict=True,
        )
    )
    on_clips = tuple(clip_notes(read, form, *read_by))
    shortened = tuple(
        f"{clip.path}: {len(clip.keypoints)} frames, of which the model reads {frames}, evenly"
        " chosen"
        for clip, frames in zip(read, outputs.frames.tolist(), strict=True)
        if len(clip.keypoints) > frames
    )
    return Prediction(
        model,
        known,
        outputs.output,
        predicted,
        (*notes, *on_clips, *shortened),
        (*cautions, *on_clips),
        form,
    )


def _about_tflite(path: Path) -> tuple[Card | None, tuple[str, ...]]:
    """Return the card of a .tflite, and what a person should know of the file."""
    from signbart_port.tflite import metadata
    from signbart_port.tflite.runner import card_notes

    card = metadata.read(path)
    return card, card_notes(path, card)


def _without_card(outputs: Outputs) -> Card:
    """Return what a .tflite without a card is taken for, by what it has run on."""
    from signbart_port.tflite.card import without_card

    return without_card(outputs.inputs[0].keypoints.shape[2], (), outputs.output)


def _opened(path: Path, options: Options | None, mapping: str | Path | None) -> WeightFile:
    from signbart_port.model_files import mappings
    from signbart_port.model_files.config_resolution import Options
    from signbart_port.model_files.model_file import open_weights

    return open_weights(path, options or Options(), mappings.find(mapping))
