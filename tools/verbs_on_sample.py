"""A command line of every verb, for the sample, and what is expected of each.

Used by tools/environments.py, and by the tests of partial installations.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from pt_reference import train
from signbart_port.cli.main import app
from signbart_port.errors import PortError
from signbart_port.requirements import Installed, refusal

SAMPLES = Path(__file__).parents[1] / "samples"
OUT = "out"
"""The folder that the command lines write to."""
COMMANDS = tuple(
    tuple(line.split())
    for line in f"""
        doctor
        pair list
        pair export-converter --pair torch-lstm
        inspect model.pth
        inspect model.h5
        inspect model.tflite
        plan model.pth
        plan --pair torch-transformer --config pair.yaml
        data check signs
        data synth {OUT}/signs --signers 1 --classes 1 --holdout 0
        snippets model.tflite --language kotlin
        web model.tflite --out {OUT}/site
        predict model.tflite clips.npz --golden {OUT}/golden.json
        predict model.pth clips.npz
        predict model.h5 clips.npz
        verify model.tflite model.tflite --report {OUT}/proof.html
        verify model.pth model.tflite
        verify model.h5 model-dynamic.tflite
        verify --perturb --pair hf-mobilenet-v2
        verify --perturb --pair torch-transformer
        evaluate model.tflite --data signs
        evaluate model.tflite --data signs --confusion {OUT}/confusion.png
        evaluate model.tflite --data signs --report {OUT}/evaluation.html
        evaluate model.pth model.h5 --data signs
        convert model.pth --out {OUT}/model.h5
        convert model.pth --out {OUT}/unproven.h5 --no-verify
        export model.h5 --out {OUT}/unproven.safetensors --no-verify
        export model.h5 --out {OUT}/model.pth
        tflite model.h5 --out {OUT}/model.tflite
        tflite model.pth --out {OUT}/direct.tflite
        tflite model.h5 --out {OUT}/int8.tflite --quantization int8 --calibration signs --clips 8
            --min-agreement 0 --max-drop 100
        train --from model.h5 --data signs --checkpoint-dir {OUT}/keras --log-dir {OUT}/log
            --epochs 1 --batch-size 16
        pt_reference.train --from model.pth --data signs --checkpoint-dir {OUT}/torch
            --log-dir {OUT}/log2 --epochs 1 --batch-size 16
    """.replace("\n            ", " ")
    .strip()
    .splitlines()
)
"""The arguments of `signbart-port`; `pt_reference.train` is a program of its own."""


@dataclass(frozen=True)
class Outcome:
    """What became of a command line."""

    command: tuple[str, ...]
    word: str
    """Such as "ran"; for a table."""
    wrong: str
    """What it did instead of what is expected. Empty: nothing."""


def prepare(folder: Path) -> Path:
    """Make the folder of the sample's files in every format, with the environment of this process:
    model.pth, model.h5, model.tflite, model-dynamic.tflite, clips.npz, signs/, and pair.yaml, which
    is a config of torch-transformer."""
    folder.mkdir()
    (folder / OUT).mkdir()
    shutil.copy(SAMPLES / "synthetic-signs.pth", folder / "model.pth")
    shutil.copy(SAMPLES / "clips.npz", folder)
    (folder / "pair.yaml").write_text("{width: 16, heads: 2, inner: 32, layers: 1}\n")
    for line in (
        "convert model.pth",
        "tflite model.h5 --quantization none,dynamic",
        "data synth signs --signers 3 --repetitions 2",
    ):
        command = [sys.executable, "-m", "signbart_port", *line.split(), "--quiet"]
        subprocess.run(command, cwd=folder, check=True)
    return folder


def expected(command: tuple[str, ...], installed: Installed) -> PortError | None:
    """Return what the table of requirements refuses a command line with, where only some packages
    are `installed`; None where it has to run."""
    if command[0] == train.NAME:
        return refusal(train.NAME, {}, installed=installed)
    group: Any = typer.main.get_command(app)
    words = list(command)
    while hasattr(group, "commands"):
        group = group.commands[words.pop(0)]
    with group.make_context(group.name, words) as context:
        return refusal(group.name, context.params, installed=installed)


def outcome(
    command: tuple[str, ...], refused: PortError | None, folder: Path, programs: Path
) -> Outcome:
    """Run a command line in the folder, with the `programs` of an environment: it must run, or be
    `refused`."""
    before = _files(folder)
    start = ["-m", *command] if command[0] == train.NAME else ["-m", "signbart_port", *command]
    done = subprocess.run(
        [programs / "python", *start], cwd=folder, capture_output=True, text=True, timeout=1800
    )
    said = f"exit code {done.returncode}, {done.stdout[-300:]}{done.stderr[-300:]}"
    if refused is None:
        return Outcome(command, "ran", "" if done.returncode == 0 else said)
    line = f"signbart-port: {refused}\n"
    told = (done.returncode, done.stdout, done.stderr) == (2, "", line)
    wrote = _files(folder) - before
    wrong = "" if told and not wrote else f"{said}, wrote {sorted(map(str, wrote))}"
    return Outcome(command, refused.hint.partition('"signbart-port')[2].rstrip('"'), wrong)


def _files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))
