"""The words of `train`: what is refused before anything is trained, what is printed, and leaving
one signer out. With the PyTorch engine; both have the same words."""

from __future__ import annotations

import io
import json
import statistics
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from pt_reference import train
from signbart_port.cli._training_progress import Bar
from signbart_port.training import torch_fit
from signbart_port.training.files import Files
from signbart_port.training.run import Job, Trained, Watcher
from tests.support.datasets import Folder, a_clip
from tests.support.running import run_cli
from tests.support.small_trainings import Run, left, without_times, write_config


@pytest.fixture(scope="module")
def work(signs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to work in: good configs and bad ones, files that are no model."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "signs").symlink_to(signs)
    write_config(folder / "good.yaml")
    write_config(folder / "six.yaml", num_labels=6)
    write_config(folder / "typo.yaml", epoch=3)
    write_config(folder / "zero.yaml", epochs=0)
    write_config(folder / "twice.yaml", lr=1)
    write_config(folder / "block.yaml", training={"epoch": 3})
    write_config(folder / "five.yaml", training=5)
    write_config(folder / "headless.yaml", d_model=None)
    (folder / "only.yaml").write_text("epochs: 3\n")
    (folder / "model.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))
    (folder / "model.pth").write_text("no model")
    (folder / "empty").mkdir()
    (folder / "there").mkdir()
    (folder / "there/last.pth").write_text("a training")
    nameless = Folder(folder / "nameless", {"cat": 0, "ant": 1, "bee": 2})
    for number in range(12):
        nameless.put(f"train/{('cat', 'ant', 'bee')[number % 3]}/{number}", a_clip(number))
    return folder


UNSEEN = (  # the synthetic signs are of one hand
    "9 of 36 clips have no left hand in any frame",
    "27 of 36 clips have no right hand in any frame",
)
REFUSED = {
    "--config good.yaml": "good.yaml: does not say where the clips are. Give data_root, or --data",
    "--data signs": "there is no model to train. Give --config FILE|NAME, such as --c",
    "--data signs --config only.yaml": "only.yaml: says how to train, and not which model. Add",
    "--data signs --config headless.yaml": "headless.yaml: missing d_model",
    "--data none --config good.yaml": "none: does not exist",
    "--data signs --config none.yaml": "none.yaml: does not exist",
    "--data signs --config lsa": "lsa: neither a file nor a published config. Published: ",
    "--data signs --config six.yaml": "signs: has 3 labels, the model 6. Change num_labels, ",
    "--data signs --config typo.yaml": "typo.yaml: unknown key 'epoch'. Did you mean 'epochs'?",
    "--data signs --config zero.yaml": "zero.yaml: epochs: Input should be greater than or equal",
    "--data signs --config twice.yaml": "twice.yaml: says learning_rate and lr. Keep one",
    "--data signs --config block.yaml": "block.yaml: epoch: Extra inputs are not permitted, got 3",
    "--data signs --config five.yaml": "five.yaml: training: Input should be a valid dictionary",
    "--data signs --config good.yaml --epochs 0": "epochs: Input should be greater than or equal",
    "--data signs --config good.yaml --seed -1": "seed: Input should be greater",
    "--data signs --config good.yaml --set epochs": "--set epochs: it is KEY=VALUE. Keys: data_roo",
    "--data signs --config good.yaml --set epoch=3": "--set epoch=3: there is no key epoch. Keys: ",
    "--data signs --config good.yaml --set epochs=[": "--set epochs=[: line 1: is not valid YAML",
    "--data signs --config good.yaml --set epochs=two": "epochs: Input should be a",
    "--data signs --config good.yaml --set validation=val": 'signs: has no samples in "val". It',
    "--data signs --config good.yaml --new-head": "--new-head is for --from MODEL.",
    "--data signs --config good.yaml --from model.tflite": "model.tflite: cannot be trained. Give",
    "--data signs --config good.yaml --from model.pth": "model.pth: is a text file, not a .pth,",
    "--data signs --from none.h5": "none.h5: does not exist",
    "--data signs --config good.yaml --seeds 1,2": "--seeds is for --holdouts. One training has",
    "--data signs --config good.yaml --holdouts user01 --seeds one": "--seeds one: they are number",
    "--data signs --config good.yaml --holdouts user01 --seeds -1": "--seeds -1: they are numbers",
    "--data signs --config good.yaml --holdouts user01 --seeds 1,": "--seeds 1,: they are numbers",
    "--data signs --config good.yaml --holdouts user99": 'signs: has no signer "user99". It has u',
    "--data signs --config good.yaml --holdouts user01,bob": 'signs: has no signer "bob". It has',
    "--data nameless --config good.yaml --holdouts all": "nameless: names no signers. Names are",
    "--data signs --config good.yaml --quantization-aware": "--quantization-aware is for signbart",
    "--data signs --config good.yaml --checkpoint-dir there": "there/last.pth: exists: a training",
    "--data signs --config good.yaml --checkpoint-dir there --resume": "there/last.pth: is a text",
    "--data signs --config good.yaml --checkpoint-dir ther --resume": "ther: does not exist: th",
    "--data signs --config good.yaml --checkpoint-dir empty --resume": "empty: has no last.pth: t",
    "--data signs --config good.yaml --checkpoint-dir empty --resume --holdouts user01": (
        "empty: has no user01-seed379/last.pth: there is no training to resume. Give the"
    ),
    "--data signs --config good.yaml --checkpoint-dir good.yaml": "good.yaml: cannot be made: File",
}


@pytest.mark.parametrize("arguments", REFUSED)
def test_wrong_use_is_one_line(
    work: Path, run_main: Run, monkeypatch: pytest.MonkeyPatch, arguments: str
) -> None:
    monkeypatch.chdir(work)
    before = left(work)
    code, printed, err = run_main(train.main, *arguments.split(), "--quiet")
    assert (code, printed) == (2, "")
    assert err.startswith(f"signbart-port: {REFUSED[arguments]}")
    assert err.endswith("\n") and err[:-1].isprintable()
    assert left(work) == before
    assert not (work / "checkpoints").exists()


def test_train_loso_leaves_everyone_out_unless_told(
    work: Path, run_main: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(work)
    arguments = ("--data", "nameless", "--config", "good.yaml", "--quiet")

    def main() -> None:
        train.main(all_holdouts=True)

    assert run_main(main, *arguments)[2].startswith("signbart-port: nameless: names no signers")


def test_help_imports_no_framework() -> None:
    ended = run_cli("train", "--help")
    assert ended.code == 0
    assert not ended.imported & {"torch", "tensorflow", "keras", "h5py", "matplotlib"}
    assert all(word in ended.printed for word in ("--config", "--holdouts", "--resume"))


# What is printed


def test_a_training(signs: Path, tmp_path: Path, run_main: Run) -> None:
    """On stderr what goes on, on stdout what came of it; or all of it as JSON."""
    config = write_config(tmp_path / "model.yaml", data_root=str(signs), seed=3)
    out = tmp_path / "models"
    code, printed, err = run_main(train.main, "--config", config, "--checkpoint-dir", out)
    assert code == 0
    about, *unseen, first, second = err.splitlines()
    assert unseen == [f"{signs}: {note}" for note in UNSEEN]
    assert about == (
        "training  24 clips; 3 of 27 training clips are set aside to choose the best model;"
        " 9 test it"
    )
    assert first.startswith("epoch   1  loss ") and first.endswith("best so far")
    assert second.startswith("epoch   2  loss ") and "waiting for data" in second
    rows = [line.split(maxsplit=1) for line in printed.splitlines()]
    assert {row[0] for row in rows} >= {"best", "validation", "test", "last", "log"}

    other = tmp_path / "again"
    arguments = ("--config", config, "--checkpoint-dir", other, "--set", "weight_decay=0.01")
    code, printed, err = run_main(train.main, *arguments, "--json")
    assert (code, err.splitlines()) == (0, unseen)
    told: dict[str, Any] = json.loads(printed)
    assert told["best"] == str(other / "best.pth")
    assert told["log"] == str(other / "logs/log.csv")
    assert [epoch["epoch"] for epoch in told["history"]] == [1, 2]
    assert told["best_epoch"] in told["history"]
    assert told["test"].keys() == {"loss", "top1", "top5"}
    assert f"{told['history'][0]['loss']:.4f}" in first  # the same seed in both
    assert run_main(train.main, *arguments, "--resume", "--quiet") == (0, "", "")
    again = run_main(train.main, *arguments, "--force", "--quiet", "--epochs", 1)
    assert again == (0, "", err)
    assert len((other / "logs/log.csv").read_text().splitlines()) == 2


def test_a_published_config_takes_the_datasets_labels(
    signs: Path, tmp_path: Path, run_main: Run
) -> None:
    code, printed, _ = run_main(
        train.main,
        *("--config", "lsa-64", "--data", signs, "--checkpoint-dir", tmp_path / "models"),
        *("--epochs", 1, "--batch-size", 24, "--set", "augment=false", "--json"),
    )
    assert (code, len(json.loads(printed)["history"])) == (0, 1)


# One signer left out


def folds_of(told: dict[str, Any]) -> list[dict[str, Any]]:
    return without_times(told["folds"])


@pytest.mark.release
def test_leaving_one_signer_out(signs: Path, tmp_path: Path, run_main: Run) -> None:
    out = tmp_path / "models"
    config = write_config(tmp_path / "model.yaml", epochs=3, learning_rate=0.01)
    arguments = ("--config", config, "--data", signs, "--checkpoint-dir", out)
    arguments = (*arguments, "--holdouts", "user04,user01", "--seeds", "1,2,1")
    code, printed, err = run_main(train.main, *arguments, "--json")
    assert (code, err.splitlines()) == (0, [f"{signs}: {note}" for note in UNSEEN])
    told = json.loads(printed)
    names = [f"{signer}-seed{seed}" for signer in ("user04", "user01") for seed in (1, 2)]
    assert [f"{fold['signer']}-seed{fold['seed']}" for fold in told["folds"]] == names
    assert all((fold["clips"], fold["epochs"]) == (9, 3) for fold in told["folds"])

    found = [[fold["top1"] for fold in told["folds"][at : at + 2]] for at in (0, 2)]
    (a, b), (c, d) = found
    assert told["mean"] == pytest.approx((a + b + c + d) / 4)
    over = statistics.stdev([(a + b) / 2, (c + d) / 2])
    assert told["deviation_over_signers"] == pytest.approx(over)
    over = abs((a + c) - (b + d)) / 2 / 2**0.5
    assert told["deviation_over_seeds"] == pytest.approx(over)
    assert len({a, b, c, d}) > 1

    for name, fold in zip(names, told["folds"], strict=True):
        assert left(out / name) == ["best.pth", "last.pth", "result.json"]
        assert left(out / "logs" / name) == ["curves.png", "log.csv"]
        assert json.loads((out / name / "result.json").read_text()).items() >= fold.items()

    # What is done is not done again; what was killed is gone on with; what is lost is made anew.
    (out / names[1] / "result.json").unlink()
    for path in (out / names[2] / "result.json", out / names[2] / "last.pth"):
        path.unlink()
    before = {
        name: (out / name / "last.pth").stat().st_mtime_ns for name in names if name != names[2]
    }
    code, printed, err = run_main(train.main, *arguments, "--resume")
    assert code == 0
    done = [line.split()[0] for line in err.splitlines() if not line.endswith("in any frame")]
    assert done == [names[1], names[2], *["epoch"] * 3]
    assert {name: (out / name / "last.pth").stat().st_mtime_ns for name in before} == before
    lines = printed.splitlines()
    shares = {share: f"{share:.1%}" for share in (a, b, c, d, told["mean"])}
    (of_user04,) = (line for line in lines if "user04, 9 clips" in line)
    assert shares[a] in of_user04 and shares[b] in of_user04
    (mean,) = (line for line in lines if "mean" in line and "deviation" not in line)
    assert shares[told["mean"]] in mean
    assert f"{100 * told['deviation_over_seeds']:.1f} points" in mean
    (deviation,) = (line for line in lines if "deviation over signers" in line)
    assert f"{100 * told['deviation_over_signers']:.1f} points" in deviation

    code, printed, _ = run_main(train.main, *arguments, "--resume", "--json")
    assert (code, folds_of(json.loads(printed))) == (0, folds_of(told))
    code, printed, err = run_main(train.main, *arguments, "--resume", "--batch-size", 4, "-q")
    assert (code, printed) == (2, "") and "was trained with batch_size 5, not 4" in err
    code, printed, err = run_main(train.main, *arguments, "--quiet")
    assert (code, printed) == (2, "") and "exists: a training was here" in err


@pytest.mark.parametrize("finished", [True, False])
def test_an_interrupted_training_says_how_to_go_on(
    work: Path,
    tmp_path: Path,
    run_main: Run,
    monkeypatch: pytest.MonkeyPatch,
    finished: bool,
) -> None:
    """With -q too: it is what the next command depends on."""

    def fit(job: Job, files: Files, watcher: Watcher, *, resume: bool) -> Trained:
        if finished:
            files.last.write_bytes(b"of an epoch")
        raise KeyboardInterrupt

    monkeypatch.chdir(work)
    monkeypatch.setattr(torch_fit, "fit", fit)
    arguments = ("--data", "signs", "--config", "good.yaml", "--checkpoint-dir", tmp_path, "-q")
    code, out, err = run_main(train.main, *arguments)
    assert (code, out) == (130, "")
    said = f"interrupted: {tmp_path / 'last.pth'} is from the last finished epoch; --resume goes on"
    assert (said in err) == finished and "Traceback" not in err


def test_what_is_said_of_a_training_is_no_markup() -> None:
    console = Console(file=(out := io.StringIO()))
    Bar(console, Progress(console=console), lambda said: None).says("a[b]", "from x[/x]\x1b[2J")
    assert out.getvalue() == "a[b]  from x[/x]\\x1b[2J\n"
