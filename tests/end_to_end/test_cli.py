"""The command line: what it prints where, how it ends, and what it leaves behind."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from signbart_port.cli import main
from tests.support.framework_models import keras_model, save_model
from tests.support.running import run_cli, run_program
from tests.support.small_models import small_config, state_dict

PROGRAM = Path(sys.executable).with_name("signbart-port")
CONFIG = small_config()


@pytest.fixture(scope="module")
def h5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "model.h5"
    keras_model(CONFIG, state_dict(CONFIG)).save(path)
    return path


def program(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--help", "Exit codes: 0 done and proven; 1 a proof failed"),
        ("--version", "signbart-port 0."),
        ("convert --help", "--config"),
        ("tflite --help", "--quantization"),
        ("verify --help", "--every-module"),
        ("inspect --help", "--tensors"),
        ("plan --help", "--mapping"),
    ],
)
def test_help_imports_no_framework(arguments: str, says: str) -> None:
    ended = run_cli(*arguments.split())
    assert ended.code == 0
    assert not ended.imported & {"torch", "tensorflow", "keras", "h5py", "ai_edge_litert"}
    assert says in " ".join(ended.printed.replace("│", " ").split())


@pytest.mark.release
def test_the_two_commands(tmp_path: Path) -> None:
    """As their users run them: one for a machine to read, one that says nothing."""
    source = save_model(tmp_path, CONFIG)
    h5, tflite = tmp_path / "model.h5", tmp_path / "model.tflite"

    converted = program("convert", source, "--out", h5, "--json")
    assert converted.returncode == 0, converted.stderr
    told = json.loads(converted.stdout)
    assert told["proven"] is True and told["report"]["passed"] is True
    assert len(told["transfers"]) == 122 and told["out"] == str(h5)
    assert told["report"]["rows"][-1]["tap"] == "logits"

    emitted = program("tflite", h5, "-q")
    assert (emitted.returncode, emitted.stdout, emitted.stderr) == (0, "", "")
    assert sorted(tmp_path.iterdir()) == [h5, source, tflite, source.with_suffix(".yaml")]


def run_main(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["signbart-port", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    return int(end.value.code or 0), printed.out, printed.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("convert nothing.pth", "nothing.pth: does not exist. Check the path"),
        ("convert modle.pth", "modle.pth: does not exist. Did you mean model.pth?"),
        ("convert model.pth -o missing/model.h5", "missing/model.h5: its folder does not exist"),
        ("convert model.pth -o model.pth", "model.pth: the Keras model is written as .h5"),
        ("convert model.pth -o link.h5 --force", "link.h5: is the input model.pth itself"),
        ("convert model.pth -o folder.h5", "folder.h5: is a directory"),
        ("convert model.pth -o old.h5", "old.h5: exists; give --force to replace it"),
        ("convert model.pth --config nothing.yaml", "nothing.yaml: does not exist"),
        ("convert model.pth --heads 8", "--heads contradicts its config (model.yaml beside it)"),
        (
            "convert model.pth --heads 3 --override-config",
            "encoder_attention_heads 3 does not divide d_model 8",
        ),
        ("plan model.pth --joints 0-5", "--joints contradicts its config (model.yaml beside it)"),
        ("inspect model.pth --layout selected", "--layout contradicts its config (model.yaml"),
        ("verify keras.h5 model.pth --heads 8", "--heads contradicts its config (model.yaml"),
        ("inspect keras.h5 --config-out model.yaml", "model.yaml: exists; give --force"),
        ("inspect keras.h5 --config-out config.pth", "a config is written as .yaml or .yml or"),
        (
            "convert folder.h5",
            "folder.h5: is a folder without a checkpoint. Give the file itself: a .pth or .safe",
        ),
        ("inspect folder.h5", "Give the file itself: a .pth, .safetensors, .h5, .keras or .tflite"),
        ("predict folder.h5 a.npy", "Give the file itself: a .pth, .safetensors, .h5, .keras or"),
        ("verify folder.h5 keras.h5", "Give the file itself: a .pth, .safetensors, .h5, .keras or"),
        ("tflite folder.h5", "Give the file itself: a .h5, .keras, .pth or .safetensors"),
        ("export folder.h5", "folder.h5: is a directory, not a file. Give the file itself"),
        ("convert model.pth --joints nose", "--joints nose: joints are a name"),
        ("convert model.pth --layout half", "--layout half: it is full or selected"),
        ("convert model.yaml", "model.yaml: is"),
        ("convert broken.pth", "broken.pth: "),
        ("export model.pth", "not a Keras model. signbart-port convert makes a Keras"),
        ("convert keras.h5", "signbart-port export makes a .pth of it, signbart-port tflite a .tf"),
        ("tflite broken.pth", "broken.pth: "),
        (
            "tflite model.tflite",
            "is a TFLite model, not a Keras model. Give the .h5 that it was mad",
        ),
        ("tflite keras.h5 --mapping hf-bart", "--mapping is for a checkpoint"),
        ("tflite keras.h5 --weights ema", "--weights chooses among those of a checkpoint"),
        ("tflite keras.h5 -o keras.h5", "keras.h5: the file is written as .tflite"),
        ("tflite keras.h5 --quantization int4", "Available: none, float16, dynamic, int8"),
        ("tflite keras.h5 --quantization int8", "Give --calibration DIR"),
        ("tflite keras.h5 --frames 16,x", "Such as 64, or 16,32,64"),
        ("verify model.pth kera.h5", "kera.h5: does not exist. Did you mean keras.h5?"),
        ("inspect nothing", "nothing: does not exist"),
        ("inspect model.yaml", "model.yaml: is"),
    ],
)
def test_bad_input(
    h5: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    says: str,
) -> None:
    """Exit 2, one line that names the file and what is wrong, nothing written."""
    source = save_model(tmp_path, CONFIG)
    (tmp_path / "link.h5").symlink_to(source)
    (tmp_path / "folder.h5").mkdir()
    shutil.copy(h5, tmp_path / "keras.h5")
    (tmp_path / "old.h5").write_bytes(b"the model of yesterday")
    (tmp_path / "model.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))
    (tmp_path / "broken.pth").write_bytes(source.read_bytes()[:-100])
    monkeypatch.chdir(tmp_path)
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    code, out, err = run_main(monkeypatch, capsys, *arguments.split())
    assert code == 2 and out == ""
    assert err.startswith("signbart-port: ") and says in err and err.count("\n") == 1
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_unproven_is_said_even_quietly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = save_model(tmp_path, CONFIG)
    code, out, err = run_main(monkeypatch, capsys, "convert", source, "--no-verify", "-q")
    assert code == 0 and out == "" and err.startswith("NOT PROVEN: ")
    code, out, _ = run_main(monkeypatch, capsys, "inspect", source.with_suffix(".h5"))
    assert code == 0 and "nothing was compared with PyTorch (--no-verify)" in out


@pytest.mark.release
@pytest.mark.usefixtures("converter_here")
def test_what_a_person_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = save_model(tmp_path, CONFIG)
    code, out, _ = run_main(monkeypatch, capsys, "convert", source)
    assert code == 0
    assert "decoder.layers.2" in out and "decoder.layers.2.encoder_attn" not in out
    for words in ("of them also alone; same class for 7 of 7 synthetic clips", "122 tensors"):
        assert words in out
    assert f"written  {source.with_suffix('.h5')}" in out

    code, out, _ = run_main(
        monkeypatch, capsys, "verify", source, source.with_suffix(".h5"), "--every-module"
    )
    assert code == 0 and "decoder.layers.2.encoder_attn.q_proj" in out

    code, out, _ = run_main(monkeypatch, capsys, "tflite", source.with_suffix(".h5"))
    assert code == 0
    for words in ("equal", "all builtin", "serving_default", "latency", "model.tflite"):
        assert words in out


@pytest.mark.release
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """HDF5 itself would end the process by SIGSEGV, and leave its half of a file."""
    source = save_model(tmp_path, CONFIG)
    before = sorted(tmp_path.iterdir())
    ended = subprocess.run(
        [PROGRAM, "convert", source, "--no-verify", "-q"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16)),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 2 and ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"signbart-port: {source.with_suffix('.h5')}: cannot be written: File")
    assert sorted(tmp_path.iterdir()) == before


def test_terminated_while_pytorch_runs(tmp_path: Path) -> None:
    source = save_model(tmp_path, CONFIG)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    before = sorted(tmp_path.iterdir())
    with subprocess.Popen(
        [PROGRAM, "convert", source], env=os.environ | {"TMPDIR": str(scratch)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        while process.poll() is None and not list(scratch.glob("*/job.json")):
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 143 and out == b""
    assert sorted(tmp_path.iterdir()) == before and not list(scratch.iterdir())


@pytest.mark.release
def test_terminated_while_writing(tmp_path: Path) -> None:
    """With the whole new file on the disk, a moment before it takes its name."""
    source = save_model(tmp_path, CONFIG)
    out, scratch = tmp_path / "model.h5", tmp_path / "scratch"
    out.write_bytes(b"the model of yesterday")
    scratch.mkdir()
    before = sorted(tmp_path.iterdir())
    printed = run_program(
        "cli_terminated_while_writing", "convert", source, "--force", "-q", scratch
    )
    assert printed.split() == ["143"]
    assert out.read_bytes() == b"the model of yesterday"
    assert sorted(tmp_path.iterdir()) == before and not list(scratch.iterdir())
