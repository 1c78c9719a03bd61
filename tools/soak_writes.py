"""The k-th call that writes to an output's folder, or to the temporary one, fails: for every k.

A shared library in front of the C library's lets it fail (`failing_writes.c`, which needs gcc).
"""

from __future__ import annotations

import errno
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

import soak_common
from soak_common import SAMPLE, SECONDS, Trial, environment, run

SOURCE = Path(__file__).with_name("failing_writes.c")
_OLD = b"the output of yesterday"
_NEVER = 1 << 40


@dataclass(frozen=True)
class Command:
    """A command whose output is to be replaced."""

    arguments: tuple[object, ...]
    """All but the output."""
    out: Path
    option: str = "--out"


def trials(folder: Path) -> dict[str, Trial]:
    """Return a row for each command and folder; trial n fails the call n + 1."""
    found, made = {}, library(folder)
    for name, command in _commands(folder).items():
        for place in ("output", "temporary"):
            failing = Failing(folder, made, command, place)
            found[f"{name}, {place}"] = Trial(failing.trial, most=failing.calls)
    return found


def library(folder: Path) -> Path:
    """Compile the library whose calls fail."""
    path = folder / "failing_writes.so"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(path), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return path


def _commands(folder: Path) -> dict[str, Command]:
    h5, tflite, clip = folder / "model.h5", folder / "model.tflite", folder / "clip.npy"
    run("convert", SAMPLE, "--out", h5, "-q")
    run("tflite", h5, "--out", tflite, "-q")
    np.save(clip, np.random.default_rng(0).random((20, 75, 2), np.float32))
    (to := folder / "out").mkdir()
    return {
        "inspect --config-out": Command(("inspect", h5), to / "a.yaml", "--config-out"),
        "predict --golden": Command(("predict", tflite, clip), to / "g.json", "--golden"),
        "verify --report": Command(("verify", h5, tflite), to / "r.html", "--report"),
        "convert": Command(("convert", SAMPLE), to / "m.h5"),
        "export": Command(("export", h5), to / "m.pth"),
        "export .safetensors": Command(("export", h5), to / "m.safetensors"),
        "tflite": Command(("tflite", h5), to / "m.tflite"),
    }


class Failing:
    """A command in front of which calls fail that write to a folder."""

    def __init__(self, folder: Path, library: Path, command: Command, place: str) -> None:
        self._library, self._command = library, command
        self._scratch, self._counter = folder / "scratch", folder / "counter"
        self._prefix = command.out.parent if place == "output" else self._scratch

    def calls(self) -> int:
        """Return the number of calls of a run in which none fails."""
        done = self._run(_NEVER, errno.ENOSPC)
        if done.returncode:
            raise SystemExit(done.stderr.decode())
        (calls,) = struct.unpack("<q", self._counter.read_bytes())
        return int(calls)

    def trial(self, number: int, draw: Random) -> tuple[str, str]:
        """Let a call fail, as on a full or on a broken disk."""
        code = draw.choice((errno.ENOSPC, errno.EIO))
        try:
            done = self._run(number + 1, code)
        except subprocess.TimeoutExpired:
            return "a hang", f"more than {SECONDS} s"
        out, said = self._command.out, done.stderr.decode(errors="replace")
        defects = []
        if done.returncode not in (0, 2):
            defects.append(f"exit code {done.returncode}: {said[-300:]}")
        if done.returncode == 2 and (said.count("\n") != 1 or "Traceback" in said):
            defects.append(f"says {said[-300:]!r}")
        replaced = out.exists() and out.read_bytes() != _OLD
        if done.returncode == 2 and (replaced or not out.exists()):
            defects.append("the old output is gone")
        if done.returncode == 0 and not replaced:
            defects.append("exit code 0, and the old output")
        if alive := soak_common.outliving(self._scratch):
            defects.append(f"{len(alive)} processes live on")
        if left := soak_common.left_behind(out, self._scratch):
            defects.append(f"left {', '.join(left)}")
        return ("done all the same", "refused")[done.returncode == 2], "; ".join(defects)

    def _run(self, number: int, code: int) -> subprocess.CompletedProcess[bytes]:
        command = self._command
        shutil.rmtree(command.out.parent)
        command.out.parent.mkdir()
        command.out.write_bytes(_OLD)
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir()
        self._counter.write_bytes(bytes(8))
        line = (*command.arguments, command.option, command.out, "--force", "-q")
        return subprocess.run(
            [soak_common.PROGRAM, *map(str, line)],
            env=environment(self._scratch)
            | {
                "LD_PRELOAD": str(self._library),
                "FAILING_PREFIX": str(self._prefix),
                "FAILING_NUMBER": str(number),
                "FAILING_ERROR": str(code),
                "FAILING_COUNTER": str(self._counter),
            },
            capture_output=True,
            timeout=SECONDS,
        )
