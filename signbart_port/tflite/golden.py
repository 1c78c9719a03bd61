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
from signbart_port.errors import PortError
from signbart_port.system import atomic_output
from signbart_port.untrusted import model_kind
from signbart_port.untrusted.refusal import Refusal, naming

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from signbart_port.verbs.predict import Predicted, Prediction

SCHEMA = 1
ABOUT = {
    "model": "the .tflite: its name and the SHA-256 of its bytes",
    "output": "what the scores are: logits (softmax makes probabilities of them) or probabilities",
    "labels": "the label of every class, by class id; null where they are unknown",
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
class Replayed:
    """The largest differences between a replay and the record; `passed`: within the tolerances."""

    clips: int
    keypoints: float
    scores: float
    passed: bool


def check(path: Path, model: Path, clips: Sequence[Path], *, force: bool) -> None:
    """Refuse, before any work, what `write` would; raises PortError."""
    if path.suffix != ".json":
        raise PortError(path, "golden vectors are written as .json", "Name them like golden.json")
    model_kind.check_kind(model, model_kind.ModelKind.TFLITE)
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
    import numpy as np

    from signbart_port.system import digest
    from signbart_port.tflite.runner import Runner

    with naming(path):
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise Refusal(f"is not of schema {SCHEMA}")
        if data["model"]["sha256"] != digest.of_file(model):
            raise Refusal("was made with another model")
        runner = Runner(model)
        form = ClipFormat.parse(data.get("skeleton"), data.get("frame_size"))
        keypoints, scores = list[float](), list[float]()
        for clip in data["clips"]:
            inputs = runner.prepare(np.array(clip["raw"], np.float32), form)
            if inputs.signature != clip["signature"]:
                raise Refusal("names another signature than the clip goes to")
            keypoints.append(_largest_difference(inputs.keypoints[0], clip["keypoints"]))
            keypoints.append(_largest_difference(inputs.attention_mask[0], clip["attention_mask"]))
            scores.append(_largest_difference(runner.run(inputs), clip["scores"]))
        if not scores:
            raise Refusal("has no clips")
        worst = float(np.max(keypoints)), float(np.max(scores))  # NaN where one of them is
        allowed = data["tolerance"]
        passed = worst[0] <= allowed["keypoints"] and worst[1] <= allowed["scores"]
        return Replayed(len(data["clips"]), *worst, passed)


def _largest_difference(got: NDArray[np.floating], recorded: Any) -> float:
    """Return the largest difference, NaN if a number is NaN on one side only."""
    import numpy as np

    expected = np.array(recorded, np.float32)
    if got.shape != expected.shape:
        raise Refusal("has clips of another shape than the model's")
    both = np.isnan(got) & np.isnan(expected)
    return float(np.abs(np.where(both, 0, got - expected)).max())


def _as_dict(found: Prediction) -> dict[str, Any]:
    from signbart_port.tflite import model_file

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
