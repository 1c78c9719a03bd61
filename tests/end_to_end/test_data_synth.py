"""The verb `data synth`, as its users run it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from signbart_port.cli import main
from tests.support.running import run_cli

Run = Callable[..., tuple[int, str, str]]
SMALL = ("--signers", "3", "--classes", "2", "--repetitions", "2")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def program(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["signbart-port", "data", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    return program


def test_it_is_written_said_and_passes_the_check(run: Run, tmp_path: Path) -> None:
    root = tmp_path / "my signs"
    code, out, err = run("synth", root, *SMALL)
    assert (code, err) == (0, "")
    assert [" ".join(line.split()) for line in out.splitlines()] == [
        f"written {root}: 12 SYNTHETIC clips, which nobody signed",
        "classes 2: synthetic-wave, synthetic-circle",
        "signers 3, invented",
        "samples train 8, by user01, user02",
        "test 4, by user03",
        f"next signbart-port data check '{root}'",
        f"signbart-port train --data '{root}' --config FILE|NAME",
    ]
    code, out, err = run("check", root, "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert told["samples"] == {
        split: {"synthetic-wave": count, "synthetic-circle": count}
        for split, count in (("train", 4), ("test", 2))
    }
    assert told["bad"] == told["others"] == []
    unseen = [note.split(" clips ")[1] for note in told["warnings"]]
    assert unseen == [f"have no {hand} hand in any frame" for hand in ("left", "right")]


def test_it_is_told_to_machines(run: Run, tmp_path: Path) -> None:
    code, out, err = run("synth", tmp_path / "signs", *SMALL, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "folder": str(tmp_path / "signs"),
        "labels": ["synthetic-wave", "synthetic-circle"],
        "samples": {"train": 8, "test": 4},
        "signers": {"train": ["user01", "user02"], "test": ["user03"]},
    }


@pytest.mark.parametrize(
    ("holdout", "splits"),
    [
        ("2", {"train": ["user01"], "test": ["user02", "user03"]}),
        ("user01,user03", {"train": ["user02"], "test": ["user01", "user03"]}),
        ("0", {"all": ["user01", "user02", "user03"]}),
    ],
)
def test_holdout(run: Run, tmp_path: Path, holdout: str, splits: dict[str, list[str]]) -> None:
    root = tmp_path / "signs"
    assert run("synth", root, *SMALL, "--holdout", holdout, "-q") == (0, "", "")
    found = {
        split.name: sorted({path.name[:6] for path in split.rglob("*.pkl")})
        for split in root.iterdir()
        if split.is_dir()
    }
    assert found == splits


def test_the_seed_makes_other_clips(run: Run, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert run("synth", tmp_path / name, *SMALL, "--seed", seed, "--quiet")[0] == 0
    name = "test/synthetic-wave/user03_G01_R02.pkl"
    a, b, c = ((tmp_path / folder / name).read_bytes() for folder in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("full", "full: is not empty. Name a new folder: nothing is replaced"),
        ("none/new", "none/new: its folder does not exist"),
        ("new --holdout user9", "--holdout user9: the signers are user01 to user06"),
        ("new --holdout 6", "all 6 signers are held out"),
        ("new --holdout=-1", "--holdout -1: the signers are"),
    ],
)
def test_bad_input(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    code, out, err = run("synth", *arguments.split())
    assert (code, out) == (2, "") and says in err and err.count("\n") == 1
    assert os.listdir(tmp_path) == ["full"] and os.listdir(tmp_path / "full") == ["mine"]


def test_no_framework_is_imported(tmp_path: Path) -> None:
    ended = run_cli("data", "synth", tmp_path / "signs", *SMALL)
    assert ended.code == 0
    assert not ended.imported & {"torch", "tensorflow", "keras", "h5py", "ai_edge_litert"}
