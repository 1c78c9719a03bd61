"""Files, clips and answers to hold written programs against."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from signbart_port.data.model_interface import softmax
from signbart_port.tflite import quantized_io
from signbart_port.tflite.runner import Runner
from tests.support.datasets import a_clip
from tests.support.node import PROGRAMS, WEB, run_node
from tests.support.small_models import small_config

LABELS = (
    '"quoted" \\ $name ${x}',
    "</script>\n*/ `tick`",
    "\u202eright to left",
    "señal 標識 👋",
    "'''",
)
NAMED = {
    "lengths": list(LABELS),
    "preprocessing": None,
    "one frame": None,
    "selected": [f"sign {number}" for number in range(5)],
}
READ = (11, 0, 2, 33, 40, 54)
FILES: dict[str, dict[str, Any]] = {
    "lengths": {"frames": (4, 16), "labels": LABELS},
    "preprocessing": {"skeleton": 75, "labels": None},
    "one frame": {"frames": (1,), "labels": None},
    "selected": {
        "config": small_config(joint_idx=READ, layout="selected", count_missing=False),
        "probabilities": True,
    },
}
"""Of the small model; the first has names that are hostile to every language."""


def hard_clips(points: int = 75) -> list[np.ndarray]:
    """Clips of every kind: shorter and longer than a signature, without a hand, with frames of
    nothing, NaN, and points beyond the picture."""
    rng = np.random.default_rng(points)
    clips = [a_clip(n, frames, points) for n, frames in enumerate((1, 4, 9, 16, 41))]
    for clip in clips[1:]:
        clip[::3, 33:54] = 0
        clip[rng.random(clip.shape[:2]) < 0.2] = 0
        clip[1] = 0
        clip[2, 5, 0], clip[-1, 40, 1], clip[-1, 41] = np.nan, -0.5, (1.5, 0.2)
        clip[3, :54] = clip[3, 54:] = 0.25, 0.75  # boxes without sides
    return clips


def as_json(clip: np.ndarray) -> list[Any]:
    """Return a clip as JSON has it: null for no number."""
    return np.where(np.isfinite(clip), clip.astype(object), None).tolist()


def expected(model: Path, clips: Sequence[np.ndarray]) -> np.ndarray:
    """Return the probabilities that `predict` gives."""
    runner = Runner(model)
    scores = np.stack([runner.scores(clip) for clip in clips])
    return scores if runner.card.output == "probabilities" else softmax(scores)


def first_graph(model: Path, clip: np.ndarray) -> tuple[list[bytes], bytes]:
    """Return what a runtime that knows no signatures is given for a clip, and what it answers, by
    the interpreter itself."""
    interpreter = Interpreter(str(model))
    interpreter.allocate_tensors()
    values, details = vars(Runner(model).prepare(clip)), interpreter.get_input_details()
    given = [quantized_io.quantize(_padded(values, one), one) for one in details]
    for one, value in zip(details, given, strict=True):
        interpreter.set_tensor(one["index"], value)
    interpreter.invoke()
    (output,) = interpreter.get_output_details()
    return [one.tobytes() for one in given], interpreter.get_tensor(output["index"]).tobytes()


def _padded(values: dict[str, np.ndarray], details: dict[str, Any]) -> np.ndarray:
    """Return the values of an input, with as many frames as it has."""
    value = values[next(name for name in values if name in details["name"])]
    padding = details["shape"][1] - value.shape[1]
    return np.pad(value, [(0, 0), (0, padding), *[(0, 0)] * (value.ndim - 2)])


def run_javascript(folder: Path, jobs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run programs in a folder beside their models, LiteRT.js as npm would have put it there."""
    packages = folder / "node_modules"
    core, native = packages / "@litertjs" / "core", packages / "react-native-fast-tflite"
    for package in (core, native):
        package.mkdir(parents=True)
    (core / "package.json").write_text('{"type": "module", "main": "./core.js"}')
    (core / "wasm").symlink_to(WEB / "litert")
    for name in ("core.js", "wasm-utils.js"):
        shutil.copy(WEB / "litert" / name, core)
    (native / "package.json").write_text('{"type": "module", "main": "./index.js"}')
    shutil.copy(PROGRAMS / "react_native_fast_tflite.mjs", native / "index.js")
    done = run_node(PROGRAMS / "run_written.mjs", stdin=json.dumps(jobs), cwd=folder)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
