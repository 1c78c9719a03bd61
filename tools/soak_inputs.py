"""Every bad input of the catalogue, given to every verb that reads its kind: refused in a line."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from random import Random

import numpy as np

import soak_common
from signbart_port.cli import main as command_line
from soak_catalogue import CANARY, Bad, catalogue
from soak_common import Trial

_SECONDS = 60
Line = Callable[[str], str]
_RUN: Mapping[str, Line] = {
    "evaluate": lambda file: f"evaluate {file} --data signs --split train",
    "predict": lambda file: f"predict {file} good.npy",
    "inspect": lambda file: f"inspect {file}",
}
"""What reads a model of any kind."""
VERBS: Mapping[str, Mapping[str, Line]] = {
    "checkpoint": {
        "convert": lambda file: f"convert {file} --out out.h5",
        "tflite": lambda file: f"tflite {file} --out out.tflite",
        "verify": lambda file: f"verify {file} good.h5",
        **_RUN,
        "plan": lambda file: f"plan {file}",
    },
    "keras": {
        "tflite": lambda file: f"tflite {file} --out out.tflite",
        "export": lambda file: f"export {file} --out out.pth",
        "verify": lambda file: f"verify good.pth {file}",
        **_RUN,
    },
    "tflite": {
        "verify": lambda file: f"verify good.h5 {file}",
        **_RUN,
    },
    "clip": {
        "predict": lambda file: f"predict good.tflite {file}",
        "data check": lambda file: "data check bad-signs",
        "evaluate": lambda file: "evaluate good.tflite --data bad-signs --split train",
    },
    "config": {
        "convert": lambda file: f"convert bare.pth --config {file} --out out.h5",
        "plan": lambda file: f"plan bare.pth --config {file}",
        "inspect": lambda file: f"inspect bare.pth --config {file} --config-out out.yaml",
        "train": lambda file: f"train --config {file} --data signs --checkpoint-dir out",
    },
    "mapping": {
        "convert": lambda file: f"convert good.pth --mapping {file} --out out.h5",
        "plan": lambda file: f"plan good.pth --mapping {file}",
    },
    "labels": {
        "predict": lambda file: f"predict good.tflite good.npy --labels {file}",
        "tflite": lambda file: f"tflite good.h5 --labels {file} --out out.tflite",
    },
}


def trials(folder: Path) -> dict[str, Trial]:
    """Return a row for each kind and verb; trial n is the bad input n of that kind."""
    for verb in ("convert", "evaluate", "export", "inspect_file", "plan", "predict", "to_tflite"):
        import_module(f"signbart_port.verbs.{verb}")  # once, and not in each fork
    work = folder / "work"
    good = _good(folder / "good")
    found = {}
    bad = catalogue({name: good[name] for name in good if not name.startswith("good")})
    for kind, verbs in VERBS.items():
        inputs = [one for one in bad if one.kind == kind]
        for verb, line in verbs.items():
            made = partial(trial, inputs, verb, line, folder / "good", work)
            found[f"{kind}, {verb}"] = Trial(made, most=len(inputs))
    return found


def _good(folder: Path) -> dict[str, Path]:
    """Write right files: those that stand beside a bad one, and those that are spoiled."""
    import torch

    folder.mkdir()
    made = soak_common.make_files(folder)
    files = {
        "model.pth": made["zip.pth"],
        "model.safetensors": made["model.safetensors"],
        "model.h5": made["model.h5"],
        "model.tflite": made["model.tflite"],
        "clip.npy": made["clip.npy"],
        "clip.npz": made["clip.npz"],
    }
    shutil.copy(made["zip.pth"], folder / "good.pth")
    shutil.copy(made["model.h5"], folder / "good.h5")
    shutil.copy(made["model.tflite"], folder / "good.tflite")
    shutil.copy(made["clip.npy"], folder / "good.npy")
    container = torch.load(made["zip.pth"], weights_only=True)
    torch.save(container["model"], folder / "bare.pth")
    labels = [f"label {number}" for number in range(10)]
    for root in ("signs", "bad-signs"):
        for label in labels:
            (clips := folder / root / "train" / label).mkdir(parents=True)
            np.save(clips / "clip.npy", np.random.default_rng(0).random((4, 75, 2), np.float32))
        text = ", ".join(f'"{label}": {number}' for number, label in enumerate(labels))
        (folder / root / "label2id.json").write_text(f"{{{text}}}")
    return files


def trial(
    inputs: list[Bad], verb: str, line: Line, good: Path, work: Path, number: int, _: Random
) -> tuple[str, str]:
    """Make a bad input beside right files, and give it to a verb."""
    bad = inputs[number]
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for one in good.iterdir():
        if one.stem in ("good", "bare", "signs", "bad-signs"):
            os.symlink(one, work / one.name)
    place = work / bad.file
    if "bad-signs" in (command := line(bad.file)):
        (work / "bad-signs").unlink()
        shutil.copytree(good / "bad-signs", work / "bad-signs")
        place = work / "bad-signs/train/label 3" / bad.file
        (place.parent / "clip.npy").unlink()
        if bad.name.startswith("missing"):
            return "left out", ""
    bad.make(place)
    before = _listing(work)
    start = time.monotonic()
    status, said = _forked(command, work)
    seconds = time.monotonic() - start
    defects = []
    accepted = status == 0 and verb in bad.lenient
    if status != 2 and not accepted:
        defects.append(f"exit code {status}: {said[-200:]!r}")
    elif status == 2:
        if said.count("\n") != 1 or not said.startswith("signbart-port: "):
            defects.append(f"says {said[-300:]!r}")
        elif bad.says and not re.search(re.escape(bad.says), said):
            defects.append(f"does not say {bad.says!r}: {said!r}")
    if _listing(work) != before:
        defects.append("it has left or changed a file")
    if (work / CANARY).exists():
        defects.append("code was run")
    if seconds > _SECONDS / 2:
        defects.append(f"took {seconds:.0f} s")
    word = "accepted" if accepted else "refused" if status == 2 else "else"
    return word, "; ".join(f"{bad.name}: {one}" for one in defects)


def _listing(folder: Path) -> list[tuple[str, int]]:
    return sorted(
        (str(one.relative_to(folder)), one.lstat().st_mtime_ns)
        for one in folder.rglob("*")
        if not one.is_dir()
    )


def _forked(line: str, folder: Path) -> tuple[int, str]:
    """Run a command line in a fork of this process. Returns its status and its stderr."""
    errors = folder.with_name("stderr")
    if (child := os.fork()) == 0:
        status = 70
        try:
            os.chdir(folder)
            os.setsid()
            with errors.open("w") as stderr, open(os.devnull, "r+") as nothing:
                for stream, number in ((nothing, 0), (nothing, 1), (stderr, 2)):
                    os.dup2(stream.fileno(), number)
            sys.argv = ["signbart-port", *line.split()]
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            command_line()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stderr.flush()
            os._exit(status)
    deadline = time.monotonic() + _SECONDS
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.01)
    return os.waitstatus_to_exitcode(ended[1]), errors.read_text(errors="replace")
