"""Programs that die by SIGKILL at a moment that a test chooses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

# What is wrapped is the program's own; the signal is a real one, and so is what it leaves.
_PROGRAM = """
import os, signal, sys
from contextlib import contextmanager
from signbart_port.system import atomic_output as output
from signbart_port.training.run import Run

engine, moment, name, number = (sys.argv.pop(1) for _ in range(4))
replacing, learning_rate, seen = output.replacing, Run.learning_rate, 0

def kill(here):
    global seen
    seen += here
    if here and seen == int(number):
        os.kill(os.getpid(), signal.SIGKILL)

@contextmanager
def watched(path, **options):
    with replacing(path, **options) as temp:
        yield temp
        here = moment == "write" and path.name == name
        if here and seen + 1 == int(number):
            os.truncate(temp, temp.stat().st_size // 2)
        kill(here)

def of_step(self, epoch, step):
    kill(moment == "step" and f"{epoch}.{step}" == name)
    return learning_rate(self, epoch, step)

output.replacing, Run.learning_rate = watched, of_step
if engine == "keras":
    from signbart_port.cli import main
    sys.argv.insert(1, "train")
else:
    from pt_reference.train import main
try:
    main()
finally:  # never both frameworks in one process, not even for TensorBoard
    assert ("tensorflow" in sys.modules) == (engine == "keras")
"""


def train(engine: str, *arguments: object) -> str:
    """Train to the end: what the program prints."""
    return _run(engine, "never", "", 0, arguments, 0)


def killed_at_step(engine: str, epoch: int, step: int, *arguments: object) -> None:
    """In the middle of an epoch: before a step, counted from 0."""
    _run(engine, "step", f"{epoch}.{step}", 1, arguments, -signal.SIGKILL)


def killed_writing(engine: str, name: str, *arguments: object, time: int = 1) -> None:
    """While the file `name` is written for the `time`-th time, with half of it written."""
    _run(engine, "write", name, time, arguments, -signal.SIGKILL)


def _run(
    engine: str, moment: str, name: str, number: int, arguments: tuple[object, ...], code: int
) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, engine, moment, name, str(number), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == code, done.stderr
    return done.stdout
