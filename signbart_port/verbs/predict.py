"""Which sign a clip shows: a model of any kind, run on clips as a detector gives them.

What a .tflite needs is imported for it and nothing else: it runs where no framework is installed,
and its interpreter starts before NumPy is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from signbart_port.errors import PortError
from signbart_port.inference.tflite_run import Apart
from signbart_port.system.progress import ProgressCallback, no_progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from signbart_port.data.samples import Sample
    from signbart_port.model_files.config_resolution import Options
    from signbart_port.tflite.runner import Fed


@dataclass(frozen=True)
class Guess:
    """A class, its label where one is known, and its probability."""

    id: int
    label: str | None
    probability: float


@dataclass(frozen=True)
class Predicted:
    """What a model makes of a clip: `scores` (classes,), and as what a .tflite was `fed`."""

    clip: Sample
    scores: NDArray[np.floating]
    probabilities: NDArray[np.floating]
    fed: Fed | None = None


@dataclass(frozen=True)
class Prediction:
    """A model's output for some clips: `output` is "logits" or "probabilities"."""

    model: Path
    labels: tuple[str, ...] | None
    output: str
    clips: tuple[Predicted, ...]
    notes: tuple[str, ...] = ()

    def best(self, clip: Predicted, count: int) -> Iterator[Guess]:
        """The most probable classes, the first one first; of equals that of the lower id."""
        import numpy as np

        for number in np.argsort(-clip.probabilities, kind="stable")[:count].tolist():
            label = None if self.labels is None else self.labels[number]
            yield Guess(number, label, float(clip.probabilities[number]))


@dataclass(frozen=True)
class _Outputs:
    """What a model gave: `scores` (clips, classes)."""

    scores: NDArray[np.floating]
    output: str = "logits"
    labels: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    fed: Sequence[Fed] = ()


def predict(
    model: str | Path,
    clips: Sequence[str | Path],
    *,
    labels: str | Path | None = None,
    options: Options | None = None,
    mapping: str | Path | None = None,
    progress: ProgressCallback = no_progress,
) -> Prediction:
    """Classify clips with a model of any kind.

    A .tflite is run without any framework.

    Args:
        model: A .pth, .safetensors, .h5 or .tflite.
        clips: Raw keypoints of a sign: a .pkl, .npz or .npy each.
        labels: A label2id.json with the names of the classes. Default: those in a .tflite.
        options: The config of a checkpoint that does not hold one: a config file or the name of a
            published one, heads, joints, layout. Default: what the files themselves tell.
        mapping: The names of the checkpoint's tensors: a mapping file, or a mapping that comes with
            this program by its name, such as "hf-bart". Default: SignBART's own names.
        progress: Called with the name of each step as it begins.

    Returns:
        Scores and probabilities of every clip.

    Raises:
        PortError: A file cannot be used, or the labels are not as many as the model's classes.
    """
    model, paths = Path(model), [Path(clip) for clip in clips]
    if not paths:
        raise PortError(None, "no clip is given")
    with ExitStack() as stack:
        apart = stack.enter_context(Apart(model)) if model.suffix == ".tflite" else None

        from signbart_port.data import samples
        from signbart_port.data.labels import read_labels
        from signbart_port.data.model_interface import softmax
        from signbart_port.inference.framework_run import refuse_not_finite
        from signbart_port.untrusted import model_kind

        tflite = model_kind.kind_of(model) is model_kind.ModelKind.TFLITE
        named = None if labels is None else read_labels(labels)
        read = [samples.read(path) for path in paths]
        if tflite:
            given = _tflite(model, read, apart or stack.enter_context(Apart(model)))
        else:
            given = _framework(model, read, options, mapping, progress)
    refuse_not_finite(model, given.scores)
    known, classes = given.labels if named is None else named, given.scores.shape[1]
    if known is not None and len(known) != classes:
        what = f"has {len(known)} labels, the model {classes} classes"
        raise PortError(labels if named is not None else model, what)
    logits = given.output == "logits"
    predicted = tuple(
        Predicted(clip, scores, softmax(scores) if logits else scores, fed)
        for clip, scores, fed in zip(
            read, given.scores, given.fed if given.fed else [None] * len(read), strict=True
        )
    )
    return Prediction(model, known, given.output, predicted, given.notes)


def _tflite(model: Path, clips: Sequence[Sample], apart: Apart) -> _Outputs:
    import numpy as np

    from signbart_port.tflite import metadata
    from signbart_port.tflite.runner import NO_CARD

    card = metadata.read(model)
    ran = apart.run([clip.keypoints for clip in clips], [clip.path for clip in clips])
    return _Outputs(
        np.stack([one.scores for one in ran]),
        ran[0].output,
        card.labels if card else None,
        () if card else (f"{model.name} {NO_CARD}",),
        [one.fed for one in ran],
    )


def _framework(
    path: Path,
    clips: Sequence[Sample],
    options: Options | None,
    mapping: str | Path | None,
    progress: ProgressCallback,
) -> _Outputs:
    from signbart_port.inference import framework_run
    from signbart_port.model_files import mappings
    from signbart_port.model_files.config_resolution import Options
    from signbart_port.model_files.model_file import open_weights
    from signbart_port.system.stderr import quiet

    opened = open_weights(path, options or Options(), mappings.find(mapping))
    config, framework = opened.config, framework_run.framework_of(opened)
    keypoints, paths = [clip.keypoints for clip in clips], [clip.path for clip in clips]
    batches = framework_run.batches(config, keypoints, paths)
    progress(f"Importing {framework.package}")
    with quiet():
        model = framework.model(config, framework.weights(opened))
        progress(f"Running {framework.name}")
        scores = framework_run.outputs(model, batches)
    return _Outputs(scores, notes=opened.notes)
