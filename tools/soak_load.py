"""Many commands at once, a dataset of many clips, and a checkpoint of many bytes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import soak_common
from bench_memory import Memory
from signbart_port import config as configs
from signbart_port.errors import PortError
from soak_command import Ended
from soak_common import SAMPLE, Trial, run

_AT_ONCE = 12
_CONVERSIONS = 4  # each takes two frameworks' memory
_SECONDS = 600
"""The most that a command may take beside others, and any under a bound."""
_CLASSES, _CLIPS = 100, 300  # of each class: 30,000
_CLIPS_MEMORY = 300 << 20
"""The most memory for the check of this dataset, whose clips have 72 MB."""
_WIDE = {"d_model": 1024, "encoder_ffn_dim": 4096, "decoder_ffn_dim": 4096}
_DEEP = {"encoder_layers": 4, "decoder_layers": 4}
_TIMES = 1.5
"""The most memory for a large checkpoint, in sizes of its file."""
Command = tuple[object, ...]


def trials(folder: Path) -> dict[str, Trial]:
    """Return a row for each load."""
    (out := folder / "out").mkdir()
    h5 = folder / "model.h5"
    run("convert", SAMPLE, "--out", h5, "-q")
    configure: Command = ("inspect", SAMPLE, "--config-out", out / "one.yaml", "-q")
    convert: Command = ("convert", SAMPLE, "-q", "--out")
    mixed: list[Command] = [(*convert, out / f"{number}.h5") for number in range(_CONVERSIONS)]
    mixed += _CONVERSIONS * [("verify", SAMPLE, h5, "-q")]
    mixed += (_AT_ONCE - len(mixed)) * [("inspect", SAMPLE, "--json")]
    one = out / "one.h5"
    rows: dict[str, Callable[[], tuple[str, str]]] = {
        "one output, inspect": partial(at_once, [configure] * _AT_ONCE, out, 1),
        "one output, convert": partial(at_once, [(*convert, one)] * _CONVERSIONS, out, 1),
        "one output, convert --force": partial(
            at_once, [(*convert, one, "--force")] * _CONVERSIONS, out, _CONVERSIONS
        ),
        "own outputs": partial(at_once, mixed, out, len(mixed)),
        "30,000 clips, data check": lambda: bounded(
            ("data", "check", _dataset(folder / "many")), _CLIPS_MEMORY
        ),
        "large checkpoint, inspect": lambda: _of_large(folder / "large.pth", "inspect"),
        "large checkpoint, plan": lambda: _of_large(folder / "large.pth", "plan"),
    }
    return {name: Trial(partial(_once, load), most=1) for name, load in rows.items()}


def _once(load: Callable[[], tuple[str, str]], _: int, __: Random) -> tuple[str, str]:
    return load()


def at_once(commands: Sequence[Command], out: Path, successes: int) -> tuple[str, str]:
    """Start commands at one moment, so many of which must succeed, and look at their outputs."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    (scratch := out.with_name("scratch")).mkdir(exist_ok=True)
    running = [
        subprocess.Popen(
            [soak_common.PROGRAM, *map(str, command)],
            env=soak_common.environment(scratch),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    defects, done = [], 0
    for process in running:
        said = _said(process)
        defects += Ended(process.returncode, "", said, seconds=0).defects()  # they wait in turn
        done += process.returncode == 0
    if done != successes:
        defects.append(f"{done} of {len(commands)} succeeded, and not {successes}")
    named = (one for command in commands for one in command)
    outputs = {one for one in named if isinstance(one, Path) and one.parent == out}
    defects += [f"{one.name} is not whole: {why}" for one in out.iterdir() if (why := _broken(one))]
    if left := {*out.iterdir(), *scratch.iterdir()} - outputs:
        defects.append(f"left {', '.join(sorted(one.name for one in left))}")
    if missing := outputs - {*out.iterdir()}:
        defects.append(f"without {len(missing)} of {len(outputs)} outputs")
    if alive := soak_common.outliving(scratch):
        defects.append(f"{len(alive)} processes live on")
    return f"{done} of {len(commands)} done", "; ".join(defects)


def _broken(path: Path) -> str:
    """Return why an output cannot be read, or nothing."""
    try:
        configs.load(path) if path.suffix == ".yaml" else soak_common.content_of(path)
    except PortError as error:
        return str(error)
    return ""


def bounded(command: Command, memory: float, seconds: float = _SECONDS) -> tuple[str, str]:
    """Run a command, whose processes together may take so many bytes of memory, and seconds."""
    start = time.monotonic()
    with subprocess.Popen(
        [soak_common.PROGRAM, *map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        # Not by `wait4`, which counts the memory that this process has when it forks.
        used = Memory(process.pid)
        used.start()
        said = _said(process)
        used.over = True
        used.join()
    spent = time.monotonic() - start
    defects = Ended(process.returncode, "", said, seconds=0).defects(codes=(0,))
    if used.peak > memory:
        defects.append(f"took {used.peak / 1e6:.0f} MB, more than {memory / 1e6:.0f}")
    if spent > seconds:
        defects.append(f"took {spent:.0f} s, more than {seconds}")
    return f"{used.peak / 1e6:.0f} MB, {spent:.0f} s", "; ".join(defects)


def _said(process: subprocess.Popen[str]) -> str:
    """Return what a process has written to stderr when it has ended, or was ended."""
    try:
        return process.communicate(timeout=_SECONDS)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[1]


def _dataset(folder: Path) -> Path:
    """Write a dataset of small clips, no two alike."""
    draw = np.random.default_rng(0)
    labels = {f"sign {number}": number for number in range(_CLASSES)}
    for label in labels:
        (clips := folder / "train" / label).mkdir(parents=True)
        for number in range(_CLIPS):
            np.save(clips / f"{number}.npy", draw.random((4, 75, 2), np.float32))
    (folder / "label2id.json").write_text(json.dumps(labels))
    return folder


def _of_large(path: Path, verb: str) -> tuple[str, str]:
    """Give a checkpoint of a published config, made wide and deep, to a verb."""
    if not path.exists():
        config: dict[str, Any] = configs.named("lsa-64").model_dump(
            exclude={"training"}, mode="json"
        )
        script = Path(__file__).with_name("random_checkpoint.py")
        text = json.dumps(config | _WIDE | _DEEP)
        subprocess.run([sys.executable, script, text, path], check=True)
    return bounded((verb, path), _TIMES * path.stat().st_size)
