"""A changed file, given to the commands that read its kind, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random

import soak_command
from soak_common import Trial

_MOST = 200
"""The trials of a row: each starts processes, where the rows without commands start none."""
_COMMANDS: Mapping[str, Sequence[str]] = {
    "checkpoint": ("inspect {}", "plan {}"),
    "keras": ("inspect {}",),
    "tflite": ("inspect {}", "predict {} good.npy", "verify good.tflite {}"),
    "clip": ("predict good.tflite {}",),
    "config": ("inspect bare.pth --config {}", "plan bare.pth --config {}"),
    "mapping": ("plan good.pth --mapping {}",),
    "labels": ("predict good.tflite good.npy --labels {}",),
}


def row(kind: str, file: str, change: Callable[[Random], bytes], home: Path) -> Trial:
    """Return a row of files of a kind and this name; `home` has the right ones, in `good`."""
    made = partial(trial, kind, file, change, home / "good", home / "work")
    return Trial(made, most=_MOST)


def trial(
    kind: str,
    file: str,
    change: Callable[[Random], bytes],
    good: Path,
    work: Path,
    _: int,
    draw: Random,
) -> tuple[str, str]:
    """Make a changed file beside right ones, and give it to every command of its kind."""
    soak_command.put_beside(good, work)
    (work / file).write_bytes(change(draw))
    words, defects = set(), []
    for command in _COMMANDS[kind]:
        ended = soak_command.forked(command.format(file).split(), work)
        codes = (0, 1, 2) if command.startswith("verify") else (0, 2)
        words.add("not equal" if ended.code == 1 in codes else ended.word())
        defects += [f"{command}: {one}" for one in ended.defects(codes)]
    return " or ".join(sorted(words)), "; ".join(defects)
