"""Command lines in forks of this process, and what is wrong with how they end."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

import soak_common
from signbart_port.cli import main as command_line

SLOW = 30
"""The seconds of processor time that a command may take."""
_DONE, _REFUSED = 0, 2
_BESIDE = {
    "zip.pth": "good.pth",
    "model.h5": "good.h5",
    "model.tflite": "good.tflite",
    "clip.npy": "good.npy",
}
# C0 but tab and newline, DEL, C1, and what reorders or breaks lines.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Ended:
    """The end of a command: its exit code, or the number of a signal below zero."""

    code: int
    out: str
    err: str
    seconds: float
    """Of processor time, with that of the processes that it has waited for."""

    def word(self) -> str:
        """Return what a trial of this command is counted as."""
        return {_DONE: "read", _REFUSED: "refused"}.get(self.code, "else")

    def defects(self, codes: Collection[int] = (_DONE, _REFUSED)) -> list[str]:
        """Return what is wrong with it, where it may end in one of these codes."""
        found = []
        if self.code not in codes:
            found.append(f"exit code {self.code}: {self.err[-300:]!r}")
        elif "Traceback" in self.err:
            found.append(f"a traceback: {self.err[-300:]!r}")
        elif self.code == _REFUSED and not re.fullmatch("signbart-port: .+\n", self.err):
            found.append(f"says {self.err[-300:]!r}")
        if self.seconds > SLOW:
            found.append(f"took {self.seconds:.0f} s")
        if self.code == -signal.SIGKILL:
            found.append(f"had not ended after {soak_common.SECONDS} s, or was killed")
        return found


def control_characters(text: str) -> list[str]:
    """Return the characters in a text that control a terminal, or turn its lines around."""
    return sorted(set(_CONTROL.findall(text)))


def import_verbs() -> None:
    """Import what commands run, once and not in each fork."""
    for verb in ("convert", "evaluate", "export", "inspect_file", "plan", "predict", "to_tflite"):
        import_module(f"signbart_port.verbs.{verb}")


def forked(arguments: Sequence[str], folder: Path) -> Ended:
    """Run a command line in a fork of this process."""
    streams = [folder.with_name(name) for name in ("stdout", "stderr")]
    if (child := os.fork()) == 0:
        status = 70
        try:
            os.setpgid(0, 0)  # and no session of its own: that would not be as nice as this one
            with (
                open(os.devnull) as stdin,
                streams[0].open("w") as out,
                streams[1].open("w") as err,
            ):
                for number, stream in enumerate((stdin, out, err)):
                    os.dup2(stream.fileno(), number)
            os.chdir(folder)
            sys.argv = ["signbart-port", *arguments]
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            command_line()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            for output in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    output.flush()
            os._exit(status)
    deadline = time.monotonic() + soak_common.SECONDS
    while (ended := os.wait4(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.01)
    code, used = os.waitstatus_to_exitcode(ended[1]), ended[2]
    seconds = used.ru_utime + used.ru_stime
    # With surrogates for what is no UTF-8, and every carriage return as it is.
    said, errors = (path.read_bytes().decode(errors="surrogateescape") for path in streams)
    return Ended(code, said, errors, seconds)


def write_good(folder: Path, made: Mapping[str, Path]) -> None:
    """Write right files, to stand beside one that is not: of the sample's in every format."""
    import torch

    folder.mkdir()
    for name, beside in _BESIDE.items():
        if name in made:
            shutil.copy(made[name], folder / beside)
    container = torch.load(made["zip.pth"], weights_only=True)
    torch.save(container["model"], folder / "bare.pth")
    labels = [f"label {number}" for number in range(10)]
    for root in ("signs", "bad-signs"):
        for label in labels:
            (clips := folder / root / "train" / label).mkdir(parents=True)
            np.save(clips / "clip.npy", np.random.default_rng(0).random((4, 75, 2), np.float32))
        text = ", ".join(f'"{label}": {number}' for number, label in enumerate(labels))
        (folder / root / "label2id.json").write_text(f"{{{text}}}")


def put_beside(good: Path, work: Path) -> None:
    """Make a new working folder, with links to the right files."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for one in good.iterdir():
        (work / one.name).symlink_to(one)
