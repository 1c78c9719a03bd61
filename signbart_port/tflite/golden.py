"""Golden vectors: what clips become on their way through a .tflite, to test an app against.

An app replays them in its own language: from `raw` it must come to the `keypoints` and the
`attention_mask` that a signature takes, and with these to the `scores`, within the tolerances. The
file, JSON, says in `about` what each of its fields is. Every number is a float32: rounded to one
(the nearest) it is in every bit what was computed here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signbart_port.data.clip_format import ClipFormat
from signbart_port.errors import PortError, printable
from signbart_port.system import atomic_output, digest
from signbart_port.untrusted import model_kind
from signbart_port.untrusted.refusal import Refusal, naming

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from signbart_port.tflite.golden_record import Record
    from signbart_port.tflite.runner import SignatureInputs
    from signbart_port.verbs.predict import Predicted, Prediction

SCHEMA = 2
ABOUT = {
    "model": "the .tflite: its name and the SHA-256 of its bytes",
    "output": "what the scores are: logits (softmax makes probabilities of them) or probabilities",
    "labels": "the label of every class, by class id; null where they are unknown",
    "description": "what is needed to feed the model: its signatures, and how raw clips become"
    " keypoints; golden.schema.json says what each part is",
    "tolerance": "the largest difference that a number may have from the one given here",
    "clips[].clip": "the name of the file that the clip was read from",
    "clips[].label": "what that file says the sign is; null where it does not",
    "clips[].raw": "[frame][point][x, y] as the detector gave them, in parts of the picture's width"
    " and height; [0, 0] is a missing point, and so is one with a null",
    "clips[].signature": "the signature that the clip goes to: the shortest that takes it",
    "clips[].keypoints": "[frame][keypoint][x, y], what that signature is fed, padded with zeros;"
    " where its input is of integers, these are quantized with its scale and zero point",
    "clips[].attention_mask": "[frame], 1 for a frame of the clip and 0 for padding",
    "clips[].scores": "[class], what comes out; where the output is of integers, what they stand"
    " for",
}
_ABOUT_FORMAT = {
    "skeleton": "what the points of the raw clips are, by the name of their skeleton",
    "frame_size": "width and height of the frames in pixels: raw coordinates are divided by them",
}
_KEYPOINTS = 1e-4
"""The tolerance of a coordinate in [0, 1]: float32 rounds its box, and divides by its side."""

_PROBABILITIES = 5.0
"""The tolerance of a probability, in tolerances of a logit (see `tflite.modes`): an error of a
logit changes a probability by half as much at most; logits are taken to be of the size of 10."""


@dataclass(frozen=True)
class ReplayedClip:
    """The largest differences of one clip from its record."""

    clip: str
    signature: str
    keypoints: float
    scores: float
    passed: bool
    """Whether both are within the tolerances."""


@dataclass(frozen=True)
class Replayed:
    """The largest differences between a replay and the record."""

    path: Path
    output: str
    """What the scores are: "logits" or "probabilities"."""
    keypoints_tolerance: float
    scores_tolerance: float
    results: tuple[ReplayedClip, ...]

    @property
    def clips(self) -> int:
        return len(self.results)

    @property
    def keypoints(self) -> float:
        return max(one.keypoints for one in self.results)

    @property
    def scores(self) -> float:
        return max(one.scores for one in self.results)

    @property
    def passed(self) -> bool:
        return all(one.passed for one in self.results)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it for JSON; a difference is infinite where a number is NaN on one side
        only."""
        return {
            "golden": str(self.path),
            "output": self.output,
            "tolerance": {"keypoints": self.keypoints_tolerance, "scores": self.scores_tolerance},
            "passed": self.passed,
            "clips": [vars(one) for one in self.results],
        }


def check(path: Path, model: Path, clips: Sequence[Path], *, force: bool) -> None:
    """Refuse, before any work, what `write` would; raises PortError."""
    if path.suffix != ".json":
        raise PortError(path, "golden vectors are written as .json", "Name them like golden.json")
    from signbart_port.tflite import metadata

    model_kind.check_kind(model, model_kind.ModelKind.TFLITE)
    card = metadata.read(model)
    if card is not None and card.contract:
        what = f"has no golden vectors: by --contract {card.contract} it takes clips as they are"
        raise PortError(model, what, "Compare an app's scores with those of predict")
    atomic_output.check(path, force=force, inputs=(model, *clips))


def write(path: Path, found: Prediction, *, force: bool) -> None:
    """Write what a .tflite made of clips. Raises PortError for an output that cannot be."""
    inputs = (found.model, *(one.clip.path for one in found.clips))
    with atomic_output.replacing(path, force=force, inputs=inputs) as temp:
        text = json.dumps(_as_dict(found), ensure_ascii=False, allow_nan=False)
        temp.write_text(text + "\n", encoding="utf-8")


def replay(path: str | Path, model: str | Path) -> Replayed:
    """Run the recorded clips through a .tflite again, in this process.

    Raises PortError for a file that holds no golden vectors, or those of another model.
    """
    from signbart_port.tflite import golden_record
    from signbart_port.tflite.runner import Runner

    path, model = Path(path), Path(model)
    record = golden_record.read(path)
    check_model(path, record, model)
    with naming(path):
        runner, form = Runner(model), format_of(path, record)
        inputs = [runner.prepare(clip, form) for clip in raw_clips(record)]
        return compared(path, record, inputs, [runner.run(one) for one in inputs])


def check_model(path: Path, record: Record, model: Path) -> None:
    """Raise PortError unless the golden vectors in the file `path` are those of a model."""
    if record.model.sha256 != digest.of_file(model):
        hint = (
            f"Give the {record.model.name} that it was made with, or write it again with --golden"
        )
        raise PortError(path, "was made with another model", hint)


def format_of(path: Path, record: Record) -> ClipFormat:
    """Return what the file `path` says of its clips. Raises PortError for what cannot be."""
    try:
        return ClipFormat.parse(record.skeleton, record.frame_size)
    except PortError as error:
        raise PortError(path, error.what, error.hint) from None


def raw_clips(record: Record) -> list[NDArray[np.float32]]:
    """Return the raw clips (T, K, 2). Raises Refusal where a clip is no array."""
    return [_array(clip.raw) for clip in record.clips]


def compared(
    path: Path,
    record: Record,
    inputs: Sequence[SignatureInputs],
    scores: Sequence[NDArray[np.floating]],
) -> Replayed:
    """Compare a record with what came of its clips.

    Raises Refusal for another signature, or another shape, than a clip has.
    """
    allowed, clips = record.tolerance, list[ReplayedClip]()
    for clip, made, output in zip(record.clips, inputs, scores, strict=True):
        if made.signature != clip.signature:
            what = (
                f"its clip {clip.clip} goes to {made.signature}, and {clip.signature} is recorded"
            )
            raise Refusal(printable(what, 300), "Write the golden vectors again")
        keypoints = max(
            _largest_difference(made.keypoints[0], clip.keypoints),
            _largest_difference(made.attention_mask[0], clip.attention_mask),
        )
        score = _largest_difference(output, clip.scores)
        passed = keypoints <= allowed.keypoints and score <= allowed.scores
        clips.append(ReplayedClip(clip.clip, clip.signature, keypoints, score, passed))
    return Replayed(path, record.output, allowed.keypoints, allowed.scores, tuple(clips))


def _largest_difference(got: NDArray[np.floating], recorded: Any) -> float:
    """Return the largest difference, infinite if a number is NaN on one side only."""
    import numpy as np

    expected = _array(recorded)
    if got.shape != expected.shape:
        raise Refusal("has clips of another shape than the model's")
    both = np.isnan(got) & np.isnan(expected)
    with np.errstate(invalid="ignore"):  # infinity from infinity
        difference = np.abs(np.where(both, 0, got - expected)).max()
    return float("inf") if np.isnan(difference) else float(difference)


def _array(nested: Any) -> NDArray[np.float32]:
    import numpy as np

    try:
        with np.errstate(over="ignore"):  # beyond float32 is infinite
            return np.array(nested, np.float32)  # null becomes NaN
    except ValueError:
        raise Refusal("has a clip whose frames are of several lengths") from None


def _as_dict(found: Prediction) -> dict[str, Any]:
    from signbart_port.tflite import model_file
    from signbart_port.tflite.description import describe

    file = model_file.read(found.model)
    relative = file.precision.spec.golden_tolerance
    if found.output == "logits":
        scores = relative * max(float(abs(one.scores).max()) for one in found.clips)
    else:
        scores = relative * _PROBABILITIES
    stated = found.form.as_dict()
    return {
        "schema": SCHEMA,
        "about": ABOUT | {key: _ABOUT_FORMAT[key] for key in stated},
        **stated,
        "model": {"name": found.model.name, "sha256": file.sha256},
        "output": found.output,
        "labels": found.labels,
        "description": describe(found.model),
        "tolerance": {"keypoints": _KEYPOINTS, "scores": scores},
        "clips": [_clip(one) for one in found.clips],
    }


def _clip(one: Predicted) -> dict[str, Any]:
    assert one.inputs is not None  # a .tflite's: see check
    return {
        "clip": one.clip.path.name,
        "label": one.clip.label,
        "raw": _numbers(one.clip.keypoints[..., :2]),
        "signature": one.inputs.signature,
        "keypoints": _numbers(one.inputs.keypoints[0]),
        "attention_mask": _numbers(one.inputs.attention_mask[0]),
        "scores": _numbers(one.scores),
    }


def _numbers(array: NDArray[np.floating]) -> Any:
    """Return nested lists of the shortest decimals that give the float32 again; null for no
    number."""
    import numpy as np

    with np.errstate(over="ignore"):  # beyond float32 is infinite, and so missing
        exact = array.astype(np.float32)
    short = np.array([float(str(number)) for number in exact.ravel()]).reshape(exact.shape)
    same = short.astype(np.float32) == exact
    plain = np.where(same, short, exact.astype(np.float64)).astype(object)
    plain[~np.isfinite(exact)] = None
    return plain.tolist()
