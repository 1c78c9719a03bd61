"""Several models to one command: each has its line, and none stops the others."""

from __future__ import annotations

import json
import pickle
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signbart_port.cli import main
from tests.support.cards import emit
from tests.support.datasets import a_clip
from tests.support.framework_models import keras_model
from tests.support.small_models import save_pth, small_config, state_dict

pytestmark = pytest.mark.usefixtures("converter_here")

Run = Callable[..., tuple[int, str, str]]
CONFIG = small_config()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in a folder with three checkpoints, one of them broken."""
    monkeypatch.chdir(tmp_path)
    (folder := tmp_path / "runs").mkdir()
    for seed, name in enumerate(("a", "b")):
        save_pth(folder / f"{name}.pth", state_dict(CONFIG, seed), config=CONFIG.model_dump())
    (folder / "broken.pth").write_bytes((folder / "a.pth").read_bytes()[:-100])

    def program(line: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["signbart-port", *shlex.split(line)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return program


def lines_of(printed: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the lines of --json, and the summary that is the last of them."""
    *lines, last = [json.loads(line) for line in printed.splitlines()]
    return lines, last["summary"]


def test_convert_and_verify_a_folder(run: Run, tmp_path: Path) -> None:
    code, out, err = run("convert runs --out-dir models")
    assert code == 2
    assert [line.split(" (")[0] for line in out.splitlines()[:2]] == [
        "runs/a.pth -> models/a.h5",
        "runs/b.pth -> models/b.h5",
    ]
    assert all(": equal: " in line for line in out.splitlines()[:2])
    assert out.splitlines()[2].startswith("3 models in ")
    assert out.splitlines()[2].endswith(": 2 equal, 1 refused")
    assert err.startswith("signbart-port: runs/broken.pth: is truncated")
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["a.h5", "b.h5"]

    (tmp_path / "runs/broken.pth").unlink()
    # One is another model: it is named, and the other is still compared.
    keras_model(CONFIG, state_dict(CONFIG, 7)).save(tmp_path / "models/a.h5")
    code, out, err = run("verify runs models --json")
    assert code == 1 and err.startswith("signbart-port: models/a.h5 against runs/a.pth: NOT EQUAL")
    (first, second), summary = lines_of(out)
    assert first["exit_code"] == 1 and first["report"]["passed"] is False
    assert second["exit_code"] == 0 and second["passed"] is True
    assert summary["pairs"] == 2 and summary["equal"] == summary["NOT EQUAL"] == 1


@pytest.mark.release
def test_folders_are_kept(run: Run, tmp_path: Path) -> None:
    """So that what `convert` writes is what `verify` compares."""
    for name in "ab":
        (tmp_path / "runs" / name).mkdir()
        (tmp_path / f"runs/{name}.pth").rename(tmp_path / f"runs/{name}/best.pth")
    code, out, _ = run("convert runs --out-dir models --no-verify")
    assert code == 2 and "models/b/best.h5" in out
    models = tmp_path / "models"
    written = sorted(path.relative_to(models).as_posix() for path in models.rglob("*"))
    assert written == ["a", "a/best.h5", "b", "b/best.h5"]
    (tmp_path / "runs/broken.pth").unlink()
    code, out, _ = run("verify runs models -q")
    assert code == 0


def test_a_damaged_model_is_not_passed_over(run: Run, tmp_path: Path) -> None:
    damaged = {
        "runs/none.pth": (b"", "is an empty file"),
        "runs/lfs.safetensors": (b"version https://git-lfs.github.com/spec/v1", "a Git LFS poin"),
        "runs/page.h5": (b"<!DOCTYPE html>", "is a web page"),
        "runs/zeros.tflite": (bytes(100), "is a run of zero bytes"),
    }
    for name, (content, _) in damaged.items():
        (tmp_path / name).write_bytes(content)
    code, out, err = run("inspect runs")
    assert code == 2 and out.splitlines()[-1].endswith(": 2 read, 5 refused")
    for name, (_, says) in damaged.items():
        assert any(name in line and says in line for line in err.splitlines()), name


def test_a_name_that_two_have_is_refused_before_any_work(run: Run, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "runs/a.pth").rename(tmp_path / "more/b.pth")
    code, out, err = run("convert runs more --out-dir models")
    assert (code, out) == (2, "") and "would be written as models/b.h5, and runs/b.pth too" in err
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("convert runs/a.pth runs/b.pth --out x.h5", "--out is the name of one output"),
        ("convert runs/a.pth x.h5", "x.h5: is no checkpoint. To write to it, give --out x.h5"),
        ("convert runs --out-dir no/models", "no/models: cannot be made: No such file"),
        ("convert runs --report x.html", "--report is for one model"),
        ("export runs --every-module --out-dir x", "--every-module is for one model"),
        ("convert ''", "convert is given an empty name. A variable of the shell may be unset"),
        ("convert runs --out-dir=", "convert is given an empty name (--out-dir=)"),
        ("tflite runs --quantization none,none", "--quantization names none twice"),
        ("tflite runs --quantization none,half", "quantization 'half' is not available"),
        ("inspect runs --tensors", "--tensors is for one model"),
        ("verify runs nowhere", "nowhere: does not exist"),
        ("predict m.tflite runs --golden g.json", "--golden is for clips, and a folder is given"),
        ("verify runs .", "needs one model named a in ., found: none"),
    ],
)
def test_wrong_uses(run: Run, tmp_path: Path, line: str, says: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    code, out, err = run(line)
    assert (code, out) == (2, "") and says in err and err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_is_left_where_all_are_refused(run: Run, tmp_path: Path) -> None:
    code, out, err = run("convert runs/broken.pth --out-dir models -q")
    assert (code, out) == (2, "") and "is truncated" in err
    assert not (tmp_path / "models").exists()


def test_a_defect_is_one_models(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its traceback is printed, and the others are still done."""
    from signbart_port.verbs import inspect_file

    right = inspect_file.inspect_file

    def wrong(path: Path, **options: Any) -> Any:
        if path.name == "a.pth":
            raise ZeroDivisionError
        return right(path, **options)

    monkeypatch.setattr(inspect_file, "inspect_file", wrong)
    code, out, err = run("inspect runs")
    assert code == 70 and "ZeroDivisionError" in err
    assert out.startswith("runs/b.pth: PyTorch checkpoint") and "1 a defect" in out


@pytest.mark.release
def test_export_and_inspect_a_folder(run: Run, tmp_path: Path) -> None:
    for seed, name in enumerate("ab"):
        keras_model(CONFIG, state_dict(CONFIG, seed)).save(tmp_path / f"{name}.h5")
    code, out, _ = run("export a.h5 b.h5 --out-dir back --json")
    lines, summary = lines_of(out)
    assert code == 0 and summary["equal"] == 2
    assert [one["out"] for one in lines] == ["back/a.pth", "back/b.pth"]
    code, out, err = run("inspect back runs --json")
    lines, summary = lines_of(out)
    assert code == 2 and summary["files"] == 5 and summary["read"] == 4 and summary["refused"] == 1
    assert [one["input"] for one in lines][:2] == ["back/a.pth", "back/b.pth"]
    assert lines[-1]["error"].startswith("runs/broken.pth: is truncated") and err
    assert run("inspect runs/a.pth -q") == (0, "", "")


@pytest.mark.release
def test_both_steps_and_several_modes(run: Run, tmp_path: Path) -> None:
    """From one conversion of each checkpoint, whose proof the files carry."""
    code, out, err = run("tflite runs --quantization float16,none --frames 6 --out-dir apps")
    assert (code, err.count("runs/broken.pth: is truncated")) == (2, 2), err  # one for each file
    assert [line.split(" (")[0] for line in out.splitlines()[:4]] == [
        "runs/a.pth -> apps/a-float16.tflite",
        "runs/a.pth -> apps/a.tflite",
        "runs/b.pth -> apps/b-float16.tflite",
        "runs/b.pth -> apps/b.tflite",
    ]
    assert out.splitlines()[4].endswith(": 4 equal, 2 refused")
    assert "NOT PROVEN" not in err
    code, out, _ = run("verify runs/a.pth apps/a.tflite -q")
    assert code == 0
    code, out, _ = run("verify runs/b.pth apps/a-float16.tflite --json")
    assert code == 1


@pytest.mark.release
def test_one_checkpoint_to_tflite(run: Run) -> None:
    code, out, err = run("tflite runs/a.pth --frames 6 --json")
    assert (code, err) == (0, "")
    said = json.loads(out)
    assert said["out"] == "runs/a.tflite" and said["source_proven"] is True
    assert said["conversion"]["passed"] is True
    assert said["reports"][0]["reference"] == "a.pth"
    code, out, _ = run("inspect runs/a.tflite")
    assert code == 0 and "a.pth" in out and "model.h5" not in out


@pytest.mark.release
def test_predict_a_folder(run: Run, tmp_path: Path) -> None:
    emit(tmp_path / "model.tflite", CONFIG, (16,), labels=tuple("vwxyz"))
    (clips := tmp_path / "clips").mkdir()
    (clips / "label2id.json").write_text("{}")  # is no clip, beside others
    for number in range(70):  # more than are held at a time
        np.save(clips / f"{number:02}.npy", a_clip(number, 6))
    (clips / "05.npy").write_bytes(b"")
    sample = {"keypoints": a_clip(0, 6).astype(np.float64), "class": "v"}
    (clips / "named.pkl").write_bytes(pickle.dumps(sample))
    code, out, err = run("predict model.tflite clips --top 1 --json")
    lines, summary = lines_of(out)
    assert code == 2 and summary["clips"] == 71 and summary["classified"] == 70
    assert err == f"signbart-port: {lines[0]['error']}\n" and "clips/05.npy" in err
    alone = json.loads(run("predict model.tflite clips/69.npy --top 1 --json")[1])["clips"][0]
    found = next(one for one in lines if one["input"] == "clips/69.npy")
    assert found["scores"] == alone["scores"] and found["top"] == alone["top"]
    code, out, _ = run("predict model.tflite clips --top 2")
    assert out.splitlines()[-1].endswith(" of 1 as their files say")
    assert out.splitlines()[0].startswith("clips/00.npy: ")
    (tmp_path / "one").mkdir()
    (clips / "00.npy").rename(tmp_path / "one/00.npy")
    assert run("predict model.tflite one")[1].splitlines()[-1].startswith("1 clip in ")
