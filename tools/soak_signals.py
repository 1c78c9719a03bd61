"""A command is ended by a signal at a random moment, and some are run again after it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from functools import cache, cached_property, partial
from pathlib import Path
from random import Random
from typing import Any

import soak_common
from soak_common import SAMPLE, SECONDS, Trial, run
from soak_subjects import File, Subject, Training

SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")
_OUTPUTS = {
    "convert": ("model.h5",),
    "tflite": ("model.tflite",),
    "export": ("model.pth", "--container", "training"),
}
"""The name of a verb's output, and options."""
_AGAIN = 5  # a trial of so many is followed by the same command, not ended


class Measured:
    """A command to be ended, made and measured when its first trial begins."""

    def __init__(self, make: Callable[[], Subject]) -> None:
        self._make = make

    @cached_property
    def subject(self) -> Subject:
        return self._make()

    @cached_property
    def life(self) -> float:
        """The seconds that the command takes."""
        return min(self._seconds() for _ in range(2))

    @cached_property
    def content(self) -> Any:
        """What it writes if nothing ends it."""
        _ = self.life  # which has run it
        return self.subject.content()

    def _seconds(self) -> float:
        self.subject.begin(0)
        start = time.monotonic()
        run(*self.subject.command())
        return time.monotonic() - start


def trials(folder: Path) -> dict[str, Trial]:
    """Return a row for each verb and signal."""

    @cache
    def h5() -> Path:
        run("convert", SAMPLE, "--out", path := folder / "model.h5", "-q")
        return path

    def file(verb: str) -> Subject:
        name, *options = _OUTPUTS[verb]
        line = (verb, SAMPLE if verb == "convert" else h5(), *options, "--out")
        (out := folder / verb / name).parent.mkdir()
        run(*line, out, "-q")
        return File(line, out, out.read_bytes())

    makers: dict[str, Callable[[], Subject]] = {verb: partial(file, verb) for verb in _OUTPUTS}
    makers["train"] = lambda: Training.make(folder / "train")
    found = {}
    for verb, make in makers.items():
        measured = Measured(make)
        for one in SIGNALS:
            made = partial(trial, signal.Signals[one], measured, folder / "scratch")
            found[f"{verb}, {one}"] = Trial(made)
    return found


def trial(
    number: signal.Signals, measured: Measured, scratch: Path, which: int, draw: Random
) -> tuple[str, str]:
    """Run a command, end it, and look at what it has left."""
    subject, content = measured.subject, measured.content
    moment = draw.uniform(0.1, measured.life)
    subject.begin(which)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    process = subprocess.Popen(
        [soak_common.PROGRAM, *map(str, subject.command())],
        env=soak_common.environment(scratch),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=_signals_as_in_a_terminal,
    )
    time.sleep(moment)
    process.send_signal(number)
    late = process.returncode is not None  # no signal was sent
    sent = time.monotonic()
    _, said = process.communicate(timeout=SECONDS)
    code, after = process.returncode, time.monotonic() - sent
    defects: list[str] = []
    if not late and code not in (-number, 128 + number):
        defects.append(f"exit code {code}, {after:.1f} s later")
    if b"Traceback" in said and code != -number:  # Python's own, before the program begins
        defects.append("a traceback")
    defects += subject.broken()
    if alive := soak_common.outliving(scratch):
        defects.append(f"{len(alive)} processes live on")
    left = _left(subject, scratch)
    if left and number != signal.SIGKILL:
        defects.append(f"left {', '.join(left)}")
    if which % _AGAIN == 0:
        defects += _again(subject, content, scratch)
    word = "had ended" if late else "ended, left files" if left else "ended"
    return word, "; ".join(f"after {moment:.2f} s: {one}" for one in defects)


def _again(subject: Subject, content: Any, scratch: Path) -> list[str]:
    """Run the command once more. Returns what is not as after one that nothing has ended."""
    done = subprocess.run(
        [soak_common.PROGRAM, *map(str, subject.command())],
        env=soak_common.environment(scratch),
        capture_output=True,
        timeout=SECONDS,
    )
    if done.returncode:
        return [f"then exit code {done.returncode}: {done.stderr.decode()[-300:]!r}"]
    defects = [] if subject.content() == content else ["then another output"]
    if left := _left(subject, scratch):
        defects.append(f"then still {', '.join(left)}")
    return defects


def _left(subject: Subject, scratch: Path) -> list[str]:
    return [*subject.left(), *(one.name for one in scratch.iterdir())]


def _signals_as_in_a_terminal() -> None:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
