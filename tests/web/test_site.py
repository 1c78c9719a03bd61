"""The folder of a site: what is in it, and what is refused before it is there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import signbart_port
from signbart_port.errors import PortError
from signbart_port.system import digest
from signbart_port.tflite import metadata, object_tree
from signbart_port.tflite_export import packing
from tests.support.cards import a_card, bare, emit
from tests.support.datasets import a_clip
from tests.support.running import ENVIRONMENT, run_cli
from tests.support.small_models import small_config

Program = Callable[..., tuple[int, str, str]]
INT8 = 9  # TFLite's number of the type
NOT_IGNORED = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("signbart_port", run_name="__main__", alter_sys=True)
"""
"""The program that heeds Ctrl-C, also where the tests run in the background of a script."""


@pytest.fixture
def model(small_tflite: Callable[..., Path]) -> Path:
    return small_tflite(4, 16)


def test_what_is_in_it(small_site: Path, model: Path) -> None:
    assert (small_site / "model.tflite").read_bytes() == model.read_bytes()
    site = json.loads((small_site / "site.json").read_text())
    assert site["model"] == {"name": "model.tflite", "sha256": digest.of_file(model)}
    golden = json.loads((small_site / "golden.json").read_text())
    assert [clip["clip"] for clip in golden["clips"]][:2] == [
        "synthetic-wave.npz",
        "synthetic-circle.npz",
    ]
    assert "nobody signed" in site["clips"]


def test_every_module_is_there_and_nothing_is_from_elsewhere(small_site: Path) -> None:
    ours = [one for one in small_site.iterdir() if one.suffix in (".html", ".js", ".css")]
    assert len(ours) > 15
    for file in ours:
        text = file.read_text()
        for name in re.findall(r'(?:from|import|src=|href=)\s*"([^"]+)"', text):
            assert (small_site / name).is_file(), (file.name, name)
        assert not re.search(r"https?://", text), file.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)


def test_the_policy_allows_no_inline_script(small_site: Path) -> None:
    page = (small_site / "index.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "unsafe-inline" not in policy[1] and "'unsafe-eval'" not in policy[1]
    assert "default-src 'none'" in policy[1] and "connect-src 'self'" in policy[1]
    assert not re.search(r"\son\w+=|<style|\sstyle=|<script(?![^>]*\ssrc=)", page)


def test_clips_of_ones_own(model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", 640 * a_clip(0, 9))
    site = signbart_port.write_site(
        model, tmp_path / "site", tmp_path / "mine.npy", frame_size=(640, 640)
    )
    golden = json.loads((site.folder / "golden.json").read_text())
    assert [clip["clip"] for clip in golden["clips"]] == ["mine.npy"]
    assert golden["frame_size"] == [640, 640] and site.clips == 1


def test_golden_vectors_that_were_made_before(
    small_site: Path, model: Path, tmp_path: Path, program: Program
) -> None:
    """They are taken as they are, if they are the model's."""
    golden, site = small_site / "golden.json", tmp_path / "site"
    code, out, _ = program("web", model, "--golden", golden, "--out", site)
    assert code == 0 and re.search(r"^clips +8$", out, re.MULTILINE)
    assert (site / "golden.json").read_bytes() == golden.read_bytes()
    other = tmp_path / "other.tflite"
    other.write_bytes(metadata.attach(bare(model), a_card(small_config(), (4, 16), labels=None)))
    code, _, err = program("web", other, "--golden", golden, "--out", tmp_path / "another")
    assert code == 2 and "golden.json: was made with another model" in err
    assert not (tmp_path / "another").exists()


def test_a_camera_needs_its_package(model: Path, tmp_path: Path, program: Program) -> None:
    (tmp_path / "package").mkdir()
    for name in ("holistic.js", "holistic.binarypb"):
        (tmp_path / "package" / name).write_bytes(b"")
    code, _, err = program(
        "web", model, "--with-camera", tmp_path / "package", "--out", tmp_path / "site"
    )
    assert code == 2 and "package: is not the folder of @mediapipe/holistic: it lacks" in err
    assert not (tmp_path / "site").exists()


@pytest.mark.release
def test_a_model_of_another_skeleton(tmp_path: Path) -> None:
    """The synthetic clips are brought to it where they have all that it reads."""
    hands = small_config(skeleton="upper-65", joint_idx=tuple(range(23, 65)))
    emit(tmp_path / "hands.tflite", hands)
    site = signbart_port.write_site(tmp_path / "hands.tflite", tmp_path / "site")
    golden = json.loads((site.folder / "golden.json").read_text())
    assert golden["skeleton"] == "mediapipe-75" and len(golden["clips"]) == 8
    emit(tmp_path / "face.tflite", small_config(skeleton="upper-90", joint_idx=tuple(range(90))))
    with pytest.raises(PortError, match=r"the synthetic clips do not fit it: .*lacks face 10"):
        signbart_port.write_site(tmp_path / "face.tflite", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_what_litert_js_cannot_run_is_refused_by_name(model: Path, tmp_path: Path) -> None:
    """Integers at the edges, as int8_full has them, and lengths that are set at run time."""
    for name, words in {"int8": "int8, which LiteRT", "dynamic": "set at run time"}.items():
        tree = object_tree.parsed(bare(model))
        for graph in tree.subgraphs:
            keypoints = next(one for one in graph.tensors if len(one.shape) == 4)
            if name == "int8":
                keypoints.type = INT8
            else:
                graph.tensors[graph.inputs[0]].shapeSignature = np.array([1, -1], np.int32)
        changed = tmp_path / f"{name}.tflite"
        changed.write_bytes(packing.pack(tree))
        with pytest.raises(PortError, match=words):
            signbart_port.write_site(changed, tmp_path / "site")
        assert not (tmp_path / "site").exists()


def test_a_folder_that_is_there_stays(model: Path, tmp_path: Path, program: Program) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "mine.txt").write_text("mine")
    code, out, err = program("web", model, "--out", tmp_path / "site")
    assert (code, out) == (2, "") and "site: is not empty. Name a new folder" in err
    assert [one.name for one in (tmp_path / "site").iterdir()] == ["mine.txt"]


def test_what_cannot_be_written_leaves_nothing(
    model: Path, tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("short.npy", a_clip(0, 4, 7))
    Path("model.pth").write_bytes(b"PK\x03\x04")
    lines = {
        (model, "short.npy", "--out", "site"): "short.npy: 7 keypoints a frame",
        (model, "none.npy", "--out", "site"): "none.npy: ",
        (model, "--out", "none/site"): "none/site: its folder does not exist",
        (model, "--skeleton", "upper-65", "--out", "site"): "--skeleton and --frame-size are of",
        (model,): "no folder is given",
        ("model.pth", "--out", "site"): "model.pth: ",
        ("none.tflite", "--out", "site"): "none.tflite: ",
    }
    for arguments, words in lines.items():
        code, out, err = program("web", *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1) and words in err, err
    assert sorted(one.name for one in tmp_path.iterdir()) == ["model.pth", "short.npy"]


def test_a_full_disk(model: Path, tmp_path: Path) -> None:
    """LiteRT.js is larger than a file may be here: the cause is named, and nothing is left."""
    command = [sys.executable, "-m", "signbart_port", "web", str(model), "--out", "site"]
    ended = subprocess.run(
        ["bash", "-c", 'ulimit -f 2000; exec "$@"', "-", *command],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert "site: cannot be written: File too large. Raise the limit" in ended.stderr
    assert not any(tmp_path.iterdir())


def test_the_command(model: Path, tmp_path: Path) -> None:
    """In a process of its own, which imports no framework."""
    ended = run_cli("web", model, "--out", tmp_path / "site", "--json")
    said = json.loads(ended.printed)
    assert (ended.code, said["site"], said["clips"]) == (0, str(tmp_path / "site"), 8)
    assert said["bytes"] == sum(
        one.stat().st_size for one in (tmp_path / "site").rglob("*") if one.is_file()
    )
    assert not ended.imported & {"torch", "tensorflow", "keras"}


def test_a_page_for_the_moment(model: Path, tmp_path: Path) -> None:
    """`--serve` alone shows the page until it is interrupted, and leaves nothing."""
    process = subprocess.Popen(
        [sys.executable, "-c", NOT_IGNORED, "web", str(model), "--serve"],
        env=ENVIRONMENT | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().partition(" ")[0]
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert b"Content-Security-Policy" in answer.read()
    assert any(tmp_path.iterdir())
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert os.listdir(tmp_path) == []
