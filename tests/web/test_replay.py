"""Golden vectors replayed on LiteRT.js, under Node: what Python made of clips, an app makes too."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import signbart_port
from signbart_port.tflite import golden
from signbart_port.tflite.description import describe
from tests.support.datasets import a_clip
from tests.support.node import PROGRAMS, SITE, WEB, run_node
from tests.support.small_models import small_config

REPLAY = WEB / "node" / "replay.mjs"
LENGTHS = (1, 3, 16, 40)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, small_tflite: Callable[..., Path]) -> Path:
    return Path(
        shutil.copy(small_tflite(4, 16), tmp_path_factory.mktemp("replay") / "model.tflite")
    )


@pytest.fixture(scope="module")
def vectors(model: Path) -> dict[str, Any]:
    path = write_golden(model, [a_clip(frames, frames) for frames in LENGTHS])
    return json.loads(path.read_text())


def write_golden(model: Path, clips: list[np.ndarray]) -> Path:
    path = model.with_suffix(".json")
    golden.write(path, signbart_port.predict(model, clips), force=False)
    return path


def replayed(
    model: Path, vectors: dict[str, Any], tmp_path: Path
) -> subprocess.CompletedProcess[str]:
    (tmp_path / "golden.json").write_text(json.dumps(vectors))
    return run_node(REPLAY, model, tmp_path / "golden.json")


def verdicts(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line.split()[0] for line in done.stdout.splitlines()]


def test_clips_of_several_lengths(model: Path, vectors: dict[str, Any], tmp_path: Path) -> None:
    done = replayed(model, vectors, tmp_path)
    assert done.returncode == 0, done.stderr
    assert verdicts(done) == ["PASS"] * len(LENGTHS)
    assert "frames_4 " in done.stdout and "serving_default " in done.stdout


@pytest.mark.parametrize("what", ["scores", "keypoints", "raw"])
@pytest.mark.on_commit("scores")
def test_a_clip_that_fails(model: Path, vectors: dict[str, Any], tmp_path: Path, what: str) -> None:
    other = json.loads(json.dumps(vectors))
    place = other["clips"][1][what]
    while isinstance(place[0], list):
        place = place[0]
    place[0] += 0.1
    done = replayed(model, other, tmp_path)
    assert done.returncode == 1
    assert verdicts(done) == ["PASS", "FAIL", "PASS", "PASS"]


@pytest.mark.release
def test_a_number_that_is_none_fails(model: Path, vectors: dict[str, Any], tmp_path: Path) -> None:
    other = json.loads(json.dumps(vectors))
    other["clips"][0]["scores"][0] = None
    assert "FAIL" in verdicts(replayed(model, other, tmp_path))


def test_any_runtime(vectors: dict[str, Any]) -> None:
    """`replay` gives it the inputs of each clip's signature by name, and compares what comes."""
    program = PROGRAMS / "replay_by_echo.mjs"
    for clips, passes in ((vectors["clips"], True), ([], False)):
        done = run_node(program, SITE, stdin=json.dumps(vectors | {"clips": clips}))
        found = json.loads(done.stdout)
        assert found["passed"] is passes
        assert all(one["keypoints"] == one["scores"] == 0 for one in found["clips"])
        assert [name for name, _ in found["ran"]] == [one["signature"] for one in clips]
        for _, shapes in found["ran"][:1]:
            assert shapes == {"keypoints": [1, 4, 12, 2], "attention_mask": [1, 4]}


def with_type(vectors: dict[str, Any], name: str) -> dict[str, Any]:
    other = json.loads(json.dumps(vectors))
    for signature in other["description"]["signatures"]:
        signature["inputs"]["keypoints"]["type"] = name
    return other


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda v: v | {"model": v["model"] | {"sha256": "0" * 64}}, "made with another model"),
        (lambda v: {k: v[k] for k in v if k != "description"}, "has no description"),
        (lambda v: with_type(v, "int8"), "are int8, which LiteRT.js does not take"),
        (lambda v: v | {"clips": [v["clips"][0] | {"raw": [[["1", 0]]]}]}, "expected a number"),
        (lambda v: v | {"clips": [v["clips"][0] | {"scores": [0]}]}, "the record has 1"),
    ],
    ids=["model", "schema 1", "int8", "text", "shape"],
)
@pytest.mark.on_commit("model", "schema 1", "int8")
def test_what_is_refused(
    model: Path, vectors: dict[str, Any], tmp_path: Path, change: Any, says: str
) -> None:
    done = replayed(model, change(vectors), tmp_path)
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.release
@pytest.mark.parametrize("preprocessing", [False, True])
@pytest.mark.parametrize("mode", ["none", "float16", "dynamic"])
def test_real_clips(
    real_h5: Path, shared_data: Path, tmp_path: Path, mode: str, preprocessing: bool
) -> None:
    model = tmp_path / "model.tflite"
    signbart_port.to_tflite(
        real_h5, model, quantization=mode, frames=(16, 32, 64), preprocessing=preprocessing
    )
    with np.load(shared_data / "arabic-asl.npz") as data:
        keypoints = data["keypoints"][:, :75].astype(np.float32)
        clips = np.split(keypoints, np.cumsum(data["lengths"])[:-1])
    chosen = [clip[:length] for clip, length in zip(clips[::180], (9, 25, 32, 75), strict=True)]
    done = run_node(REPLAY, model, write_golden(model, chosen))
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdicts(done) == ["PASS"] * 4
    assert len({line.split()[-7] for line in done.stdout.splitlines()}) == 3  # signatures


@pytest.mark.release
def test_integers_and_lengths_that_litert_js_cannot_run(tmp_path: Path) -> None:
    from tests.support.cards import emit, emit_integers

    path = emit_integers(tmp_path)
    (first, *_), details = describe(path)["signatures"], Interpreter(str(path))
    inputs = details.get_signature_runner("frames_8").get_input_details()
    for name, one in first["inputs"].items():
        assert one["type"] == "int8"
        assert (one["scale"], one["zero_point"]) == pytest.approx(inputs[name]["quantization"])
    of_any_length = emit(tmp_path / "any.tflite", small_config(), ())
    for model, says in ((path, "int8, which LiteRT.js"), (of_any_length, "set at run time")):
        done = run_node(REPLAY, model, write_golden(model, [a_clip(1, 7)]))
        assert done.returncode == 2 and says in done.stderr and "Convert" in done.stderr
