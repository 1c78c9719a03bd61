"""Which sign a clip shows: a model of any kind, run on clips as a detector gives them.

What a .tflite needs is imported for it and nothing else: it runs where no framework is installed,
and its interpreter starts before NumPy is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signbart_port.errors import PortError
from signbart_port.tflite.apart import Apart

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from signbart_port.config import SignBartConfig
    from signbart_port.data.samples import Sample
    from signbart_port.resolve import Options
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
    """What a model gave, a clip after the other."""

    scores: Sequence[NDArray[np.floating]]
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
    mapping: str | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Prediction:
    """Classify samples, each a file, with a .pth, .safetensors, .h5 or .tflite.

    `labels` is a label2id.json; without one a .tflite's own are used. `options` and `mapping` are
    for a checkpoint, as in a conversion. Raises PortError for what cannot be used.
    """
    model, paths = Path(model), [Path(clip) for clip in clips]
    with ExitStack() as stack:
        apart = stack.enter_context(Apart(model)) if model.suffix == ".tflite" else None

        import numpy as np

        from signbart_port import kinds
        from signbart_port.data import samples
        from signbart_port.data.labels import read_labels
        from signbart_port.tflite.interface import softmax

        kind = kinds.kind_of(model)
        named = None if labels is None else read_labels(labels)
        read = [samples.read(path) for path in paths]
        if kind is kinds.ModelKind.TFLITE:
            given = _tflite(model, read, apart or stack.enter_context(Apart(model)))
        elif kind is kinds.ModelKind.KERAS:
            given = _keras(model, read, progress)
        else:
            given = _torch(model, read, options, mapping, progress)
    known = given.labels if named is None else named
    for scores in given.scores:
        if not np.isfinite(scores).all():
            raise PortError(model, "gives numbers that are not finite")
        if known is not None and len(known) != len(scores):
            what = f"has {len(known)} labels, the model {len(scores)} classes"
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
    from signbart_port.tflite import metadata
    from signbart_port.tflite.runner import NO_CARD

    card = metadata.read(model)
    ran = apart.run([clip.keypoints for clip in clips], [clip.path for clip in clips])
    return _Outputs(
        [one.scores for one in ran],
        ran[0].output,
        card.labels if card else None,
        () if card else (f"{model.name} {NO_CARD}",),
        [one.fed for one in ran],
    )


def _keras(path: Path, clips: Sequence[Sample], progress: Callable[[str], None]) -> _Outputs:
    import numpy as np

    from signbart_port import h5
    from signbart_port.quiet import quiet

    file = h5.read(path)
    inputs = list(_read_by(file.config, clips))
    progress("Importing TensorFlow")
    with quiet():
        from signbart_port.keras_model.weights import build

        model = build(file)
        progress("Running Keras")
        return _Outputs([np.asarray(model(*one, training=False))[0] for one in inputs])


def _torch(
    path: Path,
    clips: Sequence[Sample],
    options: Options | None,
    mapping: str | None,
    progress: Callable[[str], None],
) -> _Outputs:
    from signbart_port import transfer
    from signbart_port.resolve import Options
    from signbart_port.source import open_source

    source = open_source(path, options or Options(), transfer.find(mapping))
    resolved = source.resolved
    inputs = list(_read_by(resolved.config, clips))
    progress("Importing PyTorch")
    import numpy as np
    import torch

    from pt_reference import SignBart

    model = SignBart(resolved.config).eval()
    weights = source.tensors_of_reference().items()
    model.load_state_dict({n: torch.from_numpy(np.array(t, np.float32)) for n, t in weights})
    progress("Running PyTorch")
    with torch.inference_mode():
        scores = [model(*map(torch.from_numpy, one))[1][0].numpy() for one in inputs]
    return _Outputs(scores, notes=(f"config: {resolved.origin}", *resolved.notes))


def _read_by(
    config: SignBartConfig, clips: Sequence[Sample]
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Each clip as a model of this config reads it: keypoints (1, T, K, 2) and mask (1, T)."""
    import numpy as np

    from signbart_port.data.preprocessing import MOST_FRAMES
    from signbart_port.tflite.interface import Interface

    interface = Interface(config.keypoints, count_missing=config.count_missing)
    frames = min(MOST_FRAMES, config.max_position_embeddings)
    for clip in clips:
        try:
            read = interface.fed(clip.keypoints, config, frames)
        except ValueError as error:
            raise PortError(clip.path, str(error)) from None
        yield read[None], np.ones((1, len(read)), np.float32)
