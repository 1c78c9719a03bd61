"""A command is ended by a signal at a random moment."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from functools import partial
from pathlib import Path
from random import Random

import soak_common
from signbart_port.errors import PortError
from soak_common import SAMPLE, SECONDS, Trial, run

SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")
_OUTPUTS = {"convert": "model.h5", "tflite": "model.tflite", "export": "model.pth"}


def trials(folder: Path) -> dict[str, Trial]:
    """Return a row for each verb and signal."""
    h5 = folder / "model.h5"
    run("convert", SAMPLE, "--out", h5, "-q")
    found = {}
    for verb, name in _OUTPUTS.items():
        command = (verb, SAMPLE if verb == "convert" else h5, "--out")
        out = folder / verb / name
        out.parent.mkdir()
        life = min(_seconds(*command, out, "--force", "-q") for _ in range(2))
        for one in SIGNALS:
            number = signal.Signals[one]
            made = partial(trial, number, life, (*command, out), out, out.read_bytes())
            found[f"{verb}, {one}"] = Trial(made)
    return found


def _seconds(*command: object) -> float:
    start = time.monotonic()
    run(*command)
    return time.monotonic() - start


def trial(
    number: signal.Signals,
    life: float,
    command: tuple[object, ...],
    out: Path,
    old: bytes,
    _number: int,
    draw: Random,
) -> tuple[str, str]:
    """Run a command that lives so long, end it, and look at what it has left."""
    out.write_bytes(old)
    moment, scratch = draw.uniform(0.1, life), out.parent.parent / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    process = subprocess.Popen(
        [soak_common.PROGRAM, *map(str, command), "--force", "-q"],
        env=soak_common.environment(scratch),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=_signals_as_in_a_terminal,
    )
    time.sleep(moment)
    late = process.poll() is not None
    process.send_signal(number)
    _, said = process.communicate(timeout=SECONDS)
    code = process.returncode
    defects: list[str] = []
    if not late and code not in (-number, 128 + number):
        defects.append(f"exit code {code}")
    if b"Traceback" in said and code != -number:  # Python's own, before the program begins
        defects.append("a traceback")
    if out.read_bytes() != old:
        try:
            soak_common.content_of(out)
        except PortError as error:
            defects.append(f"half written: {error}")
    if alive := soak_common.outliving(scratch):
        defects.append(f"{len(alive)} processes live on")
    left = soak_common.left_behind(out, scratch)
    if left and number != signal.SIGKILL:
        defects.append(f"left {', '.join(left)}")
    word = "had ended" if late else "ended, left files" if left else "ended"
    return word, "; ".join(f"after {moment:.2f} s: {one}" for one in defects)


def _signals_as_in_a_terminal() -> None:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
