"""A command under a limit of memory, files or file size, or on a disk that is full."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
from functools import partial
from pathlib import Path
from random import Random

import numpy as np

import soak_common
from soak_common import SAMPLE, SECONDS, Trial, environment, run

_MB = 1 << 20
_ABORTED = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS)
_OLD = b"the output of yesterday"
LIMITS = (
    *(("size of a file", resource.RLIMIT_FSIZE, size) for size in (0, 1000, 64_000, 300_000)),
    *(("open files", resource.RLIMIT_NOFILE, count) for count in (6, 10, 16, 20, 32, 64)),
    *(
        ("memory", resource.RLIMIT_AS, size * _MB)
        for size in (200, 300, 400, 600, 800, 1000, 1500, 2000, 3000, 6000)
    ),
)


def trials(folder: Path) -> dict[str, Trial]:
    """Return a row for each command; trial n is the limit n."""
    h5, tflite, clip = folder / "model.h5", folder / "model.tflite", folder / "clip.npy"
    run("convert", SAMPLE, "--out", h5, "-q")
    run("tflite", h5, "--out", tflite, "-q")
    np.save(clip, np.random.default_rng(0).random((20, 75, 2), np.float32))
    commands: dict[str, tuple[tuple[object, ...], str]] = {
        "inspect --config-out": (("inspect", h5, "--config-out"), "config.yaml"),
        "predict --golden": (("predict", tflite, clip, "--golden"), "golden.json"),
        "convert": (("convert", SAMPLE, "--out"), "model.h5"),
        "export": (("export", h5, "--out"), "model.pth"),
        "tflite": (("tflite", h5, "--out"), "model.tflite"),
    }
    return {
        name: Trial(partial(trial, command, folder / "work", out), most=len(LIMITS))
        for name, (command, out) in commands.items()
    }


def trial(
    command: tuple[object, ...], work: Path, name: str, number: int, _: Random
) -> tuple[str, str]:
    """Run a command under a limit, and look at what it says and leaves."""
    what, limit, value = LIMITS[number]
    shutil.rmtree(work, ignore_errors=True)
    (scratch := work / "scratch").mkdir(parents=True)
    (out := work / "out" / name).parent.mkdir()
    out.write_bytes(_OLD)
    try:
        done = subprocess.run(
            [soak_common.PROGRAM, *map(str, command), str(out), "--force", "-q"],
            env=environment(scratch) | {"OPENBLAS_NUM_THREADS": "1"},
            preexec_fn=partial(resource.setrlimit, limit, (value, value)),
            capture_output=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return "a hang", f"{what} {value:,}: more than {SECONDS} s"
    said, code = done.stderr.decode(errors="replace"), done.returncode
    defects, word = [], "done" if code == 0 else "refused"
    if what == "memory" and code in _ABORTED:
        word = "ended by a library"  # which no program can prevent: the output is untouched
    elif code not in (0, 2):
        defects.append(f"exit code {code}: {said[-200:]!r}")
    elif code == 2 and (said.count("\n") != 1 or "Traceback" in said):
        defects.append(f"says {said[-300:]!r}")
    replaced = out.exists() and out.read_bytes() != _OLD
    if not out.exists() or replaced != (code == 0):
        defects.append("the output is not what the exit code says")
    if alive := soak_common.outliving(scratch):
        defects.append(f"{len(alive)} processes live on")
    if left := soak_common.left_behind(out, scratch):
        defects.append(f"left {', '.join(left)}")
    return word, "; ".join(f"{what} {value:,}: {one}" for one in defects)
