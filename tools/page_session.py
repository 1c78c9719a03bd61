"""A reader who follows a page: one folder, one shell, one Python."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from page_comparison import ANYTHING, matches
from pages import ROOT, Fence, Step, steps

SAMPLES = ROOT / "samples"
SIGNS = ("data", "synth", "signs", "--signers", "6", "--classes", "10")
"""The command that makes the dataset of the folder."""
PATIENCE = 900
"""Seconds for a step, on a busy machine."""
_SHELL = 'while read -r step; do . "$step" >"$step.out" 2>&1 </dev/null; echo $?; done'
_PYTHON = Path(__file__).with_name("page_python.py")


@dataclass(frozen=True)
class Ran:
    """A step that was run."""

    step: Step
    code: int
    printed: tuple[str, ...]

    @property
    def fault(self) -> str | None:
        """What is wrong with the page or the program, if anything is."""
        shown, printed = "\n".join(self.step.shown), "\n".join(self.printed)
        command = f"{self.step.where}: {self.step.text}"
        if self.code and (not self.step.shown or self.step.shown[-1].strip() == ANYTHING):
            return f"{command}exit code {self.code}, and its last line is not shown:\n{printed}"
        if self.step.shown and not matches(self.step.shown, self.printed):
            return f"{command}shown:\n{shown}\nprinted (exit code {self.code}):\n{printed}"
        return None


def run_page(page: str, scratch: Path) -> Iterator[Ran]:
    """Do what a page says, step by step, in a folder in `scratch`."""
    folder, texts = scratch / "page", scratch / "texts"
    environment = _environment(scratch)
    texts.mkdir(parents=True)
    _furnish(folder, environment)
    commands = {"console": ["bash", "-c", _SHELL], "python": [sys.executable, str(_PYTHON)]}
    with ExitStack() as stack:
        sessions: dict[str, _Session] = {}
        for number, step in enumerate(steps(page)):
            if isinstance(step, Fence):
                assert step.file
                (folder / step.file).parent.mkdir(parents=True, exist_ok=True)
                (folder / step.file).write_text(step.text, "utf-8")
                continue
            if step.language not in sessions:
                running = _session(commands[step.language], folder, environment)
                sessions[step.language] = stack.enter_context(running)
            code, output = sessions[step.language].run(step.text, texts / str(number))
            yield Ran(step, code, tuple(line.rstrip() for line in output.splitlines()))


def _environment(scratch: Path) -> dict[str, str]:
    """Return the variables of a reader's shell, which are the same on every machine."""
    for name in ("home", "tmp"):
        (scratch / name).mkdir(parents=True)
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return kept | {
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),
        "HOME": str(scratch / "home"),
        "TMPDIR": str(scratch / "tmp"),
        "LANG": "C.UTF-8",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",  # stdout and stderr in the order of a terminal
    }


def _furnish(folder: Path, environment: Mapping[str, str]) -> None:
    """Make the folder that a page begins with."""
    folder.mkdir()
    shutil.copy(SAMPLES / "synthetic-signs.pth", folder / "model.pth")
    shutil.copy(SAMPLES / "clips.npz", folder / "clips.npz")
    with np.load(SAMPLES / "clips.npz") as clips:
        np.save(folder / "clip.npy", clips["keypoints"][: clips["lengths"][0]])
    command = [sys.executable, "-m", "signbart_port", *SIGNS]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)


class _Session:
    """An interpreter that reads the names of files, runs each, and answers with its exit code."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, text: str, file: Path) -> tuple[int, str]:
        """Run a step, which is written to `file`. Return its exit code and its output."""
        file.write_text(text, "utf-8")
        assert self._process.stdin and self._process.stdout
        with suppress(BrokenPipeError):  # an earlier step has ended the session
            print(file, file=self._process.stdin, flush=True)
        with selectors.DefaultSelector() as answers:
            answers.register(self._process.stdout, selectors.EVENT_READ)
            if not answers.select(PATIENCE):
                raise TimeoutError(f"not done in {PATIENCE} seconds: {text}")
        answer = self._process.stdout.readline()
        output = file.with_name(f"{file.name}.out")
        printed = output.read_text("utf-8", "replace") if output.exists() else ""
        return (int(answer), printed) if answer else (1, f"{printed}the session has ended")


@contextmanager
def _session(
    command: list[str], folder: Path, environment: Mapping[str, str]
) -> Iterator[_Session]:
    """Start an interpreter in a group of its own, and end it with all that it has started."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=pipe, stdout=pipe, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield _Session(process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
