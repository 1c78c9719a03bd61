"""The command `export`: what it prints where, how it ends, and what it leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import signbart_port
from signbart_port.cli import main
from tests.support.running import run_cli, run_program
from tests.support.small_models import small_config

PROGRAM = Path(sys.executable).with_name("signbart-port")
WEIGHT = "model_weights/decoder/decoder/layers.1/encoder_attn/k_proj/kernel"


@pytest.fixture
def model(ported: Path, tmp_path: Path) -> Path:
    """As Keras saves it, with nothing of this program's in it."""
    return Path(shutil.copy(ported / "plain.h5", tmp_path / "model.h5"))


def contents(folder: Path) -> dict[Path, bytes | bool]:
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def run_main(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["signbart-port", "export", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    return int(end.value.code or 0), printed.out, printed.err


def spoil() -> None:
    """Make bad files of the good ones in this folder."""
    Path("truncated.h5").write_bytes(Path("model.h5").read_bytes()[:-1000])
    Path("link.pth").symlink_to("model.h5")
    Path("folder.pth").mkdir()
    shutil.copy("model.h5", "flipped.h5")
    for name in ("nan.h5", "missing.h5", "deep.h5"):
        shutil.copy("plain.h5", name)
    with h5py.File("flipped.h5", "r+") as flipped, h5py.File("nan.h5", "r+") as nan:
        flipped[WEIGHT][0, 0], nan[WEIGHT][0, 0] = 1e-6, np.nan
    with h5py.File("missing.h5", "r+") as missing, h5py.File("deep.h5", "r+") as deep:
        del missing[WEIGHT]
        nested = f'{{"key": {"[" * 400}{"]" * 400}}}'
        text = deep.attrs["model_config"].replace('"training": {}', f'"training": {nested}')
        deep.attrs["model_config"] = text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("nothing.h5", "nothing.h5: does not exist"),
        ("model.pth", "model.pth: is a zip archive, such as torch.save writes, not a Keras"),
        ("lambda.h5", "lambda.h5: holds a Keras Sequential model, not a SignBart"),
        ("model.tflite", "model.tflite: is a TFLite model, not a Keras model"),
        ("truncated.h5", "truncated.h5: cannot be read as HDF5"),
        ("flipped.h5", "is damaged: its values do not match their digest"),
        ("nan.h5", "NONFINITE decoder/layers.1/encoder_attn/k_proj/kernel"),
        ("missing.h5", "MISSING decoder/layers.1/encoder_attn/k_proj/kernel"),
        ("deep.h5", "deep.h5: its config cannot be written: "),
        ("model.h5 -o model.onnx", "written as .pth, .pt, .safetensors. Name it like model.pth"),
        ("model.h5 -o model", "model: a checkpoint is written as .pth"),
        ("model.h5 -o model.h5", "model.h5: a checkpoint is written as .pth"),
        ("model.h5 -o link.pth --force", "link.pth: is the input model.h5 itself"),
        ("model.h5 -o folder.pth", "folder.pth: is a directory"),
        ("model.h5 -o missing/model.pth", "missing/model.pth: its folder does not exist"),
        ("model.h5", "model.pth: exists; give --force to replace it"),
        ("model.h5 -o new.pth --container zip", "no container 'zip'. Known: state-dict, training"),
        ("model.h5 -o new.safetensors --container training", "new.safetensors: holds tensors"),
    ],
)
def test_bad_input(
    ported: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    says: str,
) -> None:
    """Exit 2, one line that names the file and what is wrong, nothing written or run."""
    shutil.copytree(ported, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    spoil()
    before = contents(tmp_path)
    code, out, err = run_main(monkeypatch, capsys, *arguments.split())
    assert code == 2 and out == ""
    assert err.startswith("signbart-port: ") and says in err and err.count("\n") == 1
    assert contents(tmp_path) == before and not Path("canary").exists()


def test_modules_beside_a_strangers_model_are_not_imported(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torch", "json", "io", "safetensors", "pt_reference", "numpy"):
        model.with_name(f"{name}.py").write_text("open('canary', 'w'); raise SystemExit('run')")
    monkeypatch.chdir(model.parent)
    signbart_port.export(model, verify=False)
    assert model.with_name("model.pth").exists() and not Path("canary").exists()


def test_terminated_while_pytorch_writes(model: Path) -> None:
    """The child is ended with its parent, and the name that it wrote for stays free."""
    printed = run_program("export_terminated_while_pytorch_writes", "export", model, "-q")
    assert printed == "143\n"
    assert contents(model.parent).keys() == {model}


@pytest.mark.release
def test_terminated_while_the_proof_runs(model: Path) -> None:
    """With the whole new file on the disk."""
    old, scratch = model.with_name("model.pth"), model.with_name("scratch")
    old.write_bytes(b"the checkpoint of yesterday")
    scratch.mkdir()
    before = contents(model.parent)
    with subprocess.Popen(
        [PROGRAM, "export", model, "--force"], env=os.environ | {"TMPDIR": str(scratch)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        # The file is there once PyTorch has written it; the next job is the proof's.
        while process.poll() is None and not (
            list(model.parent.glob(".model-*")) and list(scratch.glob("*/job.json"))
        ):
            time.sleep(0.01)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 143 and out == b""
    assert contents(model.parent) == before


def test_help_imports_no_framework_and_neither_does_writing(model: Path) -> None:
    explained = run_cli("export", "--help")
    assert "--container" in explained.printed
    written = run_cli("export", model, "-q", "--no-verify")
    assert written.printed == ""
    for ended in (explained, written):
        assert ended.code == 0 and not ended.imported & {"torch", "tensorflow", "keras"}


@pytest.mark.release
def test_what_a_person_reads(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run_main(monkeypatch, capsys, model)
    assert code == 0
    assert "decoder.layers.2" in out and "decoder.layers.2.encoder_attn" not in out
    for words in (
        "same class for 7 of 7 synthetic clips",
        "122 tensors",
        "model.pth",
        "no tensor tells",
    ):
        assert words in out
    code, out, _ = run_main(
        monkeypatch, capsys, model, "--force", "--container", "training", "--every-module"
    )
    assert code == 0 and "decoder.layers.2.encoder_attn.q_proj" in out
    assert "in the checkpoint" in out and "no tensor tells" not in out


@pytest.mark.release
def test_what_a_machine_reads(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run_main(monkeypatch, capsys, model, "--json")
    told = json.loads(out)
    assert code == 0 and told["proven"] is True and told["report"]["passed"] is True
    assert (
        told["config_in_checkpoint"] is False
        and told["config"]["d_model"] == small_config().d_model
    )
    assert len(told["transfers"]) == 122 and told["out"] == str(model.with_name("model.pth"))


def test_unproven_is_said_even_quietly(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run_main(monkeypatch, capsys, model, "--no-verify", "-q")
    assert code == 0 and out == "" and err.startswith("NOT PROVEN: ")


@pytest.mark.release
def test_a_proven_export_is_silent(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, capsys, model, "-q") == (0, "", "")
