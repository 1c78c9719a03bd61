"""The verb `data check`, as its users run it."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from signbart_port.cli import main
from tests.support.datasets import Folder, a_clip
from tests.support.running import run_cli

Run = Callable[..., tuple[int, str, str]]


class Evil:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> object:
        return os.system, (f"touch {self.canary}",)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "signs", {"cat": 0, "[red]ant": 1})
    for seed, name in enumerate(("train/cat/a", "train/[red]ant/b", "test/cat/c")):
        made.put(name, a_clip(seed, 5 + seed))
    return made


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def program(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["signbart-port", "data", "check", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    return program


def test_a_sound_dataset(folder: Folder, run: Run) -> None:
    code, out, err = run(folder.root)
    assert (code, err) == (0, "")
    rows = [line.split("  ")[-1].strip() for line in out.splitlines()]
    nothing = "0.0% of the points; no left hand in 0.0% of the frames; no right hand in 0.0% of the"
    assert rows == [
        str(folder.root),
        "2: cat, [red]ant",
        "train 2, 1 a class",
        "test 1, 0 to 1 a class",
        "5 to 7, median 6; none over 64",
        "75 a frame, of 2 coordinates",
        f"{nothing} frames",
        "0.00 to 1.00; all in [0, 1]",
        "none",
        "samples in train alone of 1 class: [red]ant",
    ]


def test_a_code_of_an_emoji_is_shown_as_it_is(folder: Folder, run: Run) -> None:
    (folder.root / "train/[red]ant").rename(folder.root / "train/:ant:")
    (folder.root / "label2id.json").write_text('{"cat": 0, ":ant:": 1}')
    _, out, _ = run(folder.root, "--every-class")
    assert "│ :ant: │" in out and "🐜" not in out


def test_classes_one_by_one(folder: Folder, run: Run) -> None:
    _, out, _ = run(folder.root, "--every-class")
    cells = [line.replace("│", " ").split() for line in out.splitlines()[-4:]]
    assert cells[0][0].startswith("┡")
    assert cells[1:3] == [["0", "cat", "1", "1"], ["1", "[red]ant", "1", "0"]]


def spoil(folder: Folder, canary: Path) -> None:
    (folder.root / "train/cat/evil.pkl").write_bytes(pickle.dumps({"keypoints": Evil(canary)}))
    folder.put("train/cat/a\x1b[2Jlast", np.zeros((0, 75, 2)))
    folder.put("test/cat/same", a_clip(0))


def test_bad_samples(folder: Folder, run: Run, tmp_path: Path) -> None:
    """All of them are told, and the end is one line and exit code 2, unless they may be skipped."""
    spoil(folder, tmp_path / "canary")
    code, out, err = run(folder.root)
    assert code == 2 and err.count("\n") == 1
    assert err.startswith(f"signbart-port: {folder.root}: 2 of 6 samples cannot be used; the first")
    skipped_code, skipped_out, skipped_err = run(folder.root, "--skip-bad")
    assert (skipped_code, skipped_out, skipped_err) == (0, out, "")
    quiet_code, quiet_out, quiet_err = run(folder.root, "--skip-bad", "-q")
    assert (quiet_code, quiet_out) == (0, "")
    assert "1 clip in more than one split" in quiet_err
    for words in (
        "evil.pkl: is not data: its pickle asks for posix.system; nothing of it was run",
        r"train/cat/a\x1b[2Jlast.pkl: has no frames",
        "repeated  train/cat/a.pkl = test/cat/same.pkl",
        "1 clip in more than one split",
    ):
        assert words in out
    assert "\x1b[2J" not in out + err
    assert not (tmp_path / "canary").exists()


def test_the_same_for_machines(folder: Folder, run: Run, tmp_path: Path) -> None:
    spoil(folder, tmp_path / "canary")
    code, out, err = run(folder.root, "--json")
    told = json.loads(out)
    assert code == 2 and "2 of 6 samples" in err and told["count"] == 4
    assert run(folder.root, "--json", "--skip-bad")[:2] == (0, out)
    assert told["samples"]["train"] == {"cat": 1, "[red]ant": 1}
    assert told["lengths"] == {"shortest": 5, "median": 5.5, "longest": 7, "over": 0}
    assert [bad["path"] for bad in told["bad"]] == [
        "train/cat/a\x1b[2Jlast.pkl",
        "train/cat/evil.pkl",
    ]
    assert told["repeated"] == [["train/cat/a.pkl", "test/cat/same.pkl"]]


@pytest.mark.parametrize(
    ("spoiled", "says"),
    [
        ("nothing", "nothing: does not exist"),
        ("signs/train", "it has no label2id.json"),
        ("signs/label2id.json", "is not a folder"),
    ],
)
def test_what_is_no_dataset(
    folder: Folder, run: Run, tmp_path: Path, spoiled: str, says: str
) -> None:
    code, out, err = run(tmp_path / spoiled, "--skip-bad")
    assert (code, out) == (2, "") and says in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"cat": 0, "cat": 1}', 'label2id.json: has the key "cat" twice'),
        ('{"cat": 0}', "[red]ant: is no class: label2id.json does not have it"),
        ('{"cat": 0, "[red]ant": 2}', "none with the id 1"),
    ],
)
def test_wrong_labels(folder: Folder, run: Run, content: str, says: str) -> None:
    folder.write("label2id.json", content)
    code, out, err = run(folder.root)
    assert (code, out) == (2, "") and says in err and err.count("\n") == 1


@pytest.mark.parametrize("arguments", ["data --help", "data check --help", "data check FOLDER"])
def test_no_framework_is_imported(folder: Folder, arguments: str) -> None:
    words = [str(folder.root) if word == "FOLDER" else word for word in arguments.split()]
    ended = run_cli(*words)
    assert ended.code == 0
    assert not ended.imported & {"torch", "tensorflow", "keras", "h5py", "ai_edge_litert"}


@pytest.mark.release
def test_real_clips(shared_data: Path, tmp_path: Path, run: Run) -> None:
    expand = [sys.executable, shared_data / "expand.py", tmp_path / "real", "--holdout", "user08"]
    subprocess.run(expand, check=True, capture_output=True)
    code, out, err = run(tmp_path / "real", "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert {s: sum(n.values()) for s, n in told["samples"].items()} == {"train": 660, "test": 60}
    with np.load(shared_data / "arabic-asl.npz") as data:
        lengths, points = data["lengths"], data["keypoints"][:, :75].astype(float)
    assert told["lengths"] == {
        "shortest": lengths.min(),
        "median": np.median(lengths),
        "longest": lengths.max(),
        "over": (lengths > 64).sum(),
    }
    assert told["values"]["missing"] == pytest.approx((points == 0).all(axis=2).mean())
    assert told["values"]["highest"] == points.max()
