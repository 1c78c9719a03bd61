"""Programs that die by SIGKILL, or by Ctrl-C, at a moment that a test chooses."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.support.running import ENVIRONMENT, PROGRAMS


def train(engine: str, *arguments: object) -> str:
    """Train to the end: what the program prints."""
    return _run(engine, "never", "", 0, arguments, 0).stdout


def killed_at_step(engine: str, epoch: int, step: int, *arguments: object) -> None:
    """Kill a training in the middle of an epoch: before a step, counted from 0."""
    _run(engine, "step", f"{epoch}.{step}", 1, arguments, -signal.SIGKILL)


def interrupted_at_step(engine: str, epoch: int, step: int, *arguments: object) -> str:
    """End a training by Ctrl-C before a step, counted from 0: what it prints to stderr."""
    return _run(engine, "interrupt", f"{epoch}.{step}", 1, arguments, 130).stderr


def killed_writing(engine: str, name: str, *arguments: object, time: int = 1) -> None:
    """Kill a training while the file `name` is written for the `time`-th time, with half of it
    written."""
    _run(engine, "write", name, time, arguments, -signal.SIGKILL)


def _run(
    engine: str, moment: str, name: str, number: int, arguments: tuple[object, ...], code: int
) -> subprocess.CompletedProcess[str]:
    program = PROGRAMS / "train_and_be_killed.py"
    done = subprocess.run(
        [sys.executable, program, engine, moment, name, str(number), *map(str, arguments)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == code, done.stderr
    return done
