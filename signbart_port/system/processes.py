"""Processes of our own: for what may crash, hang, or must not share memory with TensorFlow."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from signbart_port.errors import PortError


def command(module: str, *arguments: str | Path) -> list[str]:
    """The command line that runs a module of this package.

    -P: the folder that the user stands in, which may be a stranger's, is no place to import from.
    """
    return [sys.executable, "-P", "-m", module, *map(str, arguments)]


class Process:
    """A module of this package in a process of its own, beside this one.

    A context manager: leaving it ends the process. `pipes` are those of subprocess.Popen.
    """

    def __init__(self, module: str, *arguments: str | Path, **pipes: Any) -> None:
        self._process = subprocess.Popen(command(module, *arguments), **pipes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


class Work(Process):
    """A module that leaves files. What it prints is kept, for `wait` to quote."""

    def __init__(self, module: str, *arguments: str | Path) -> None:
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115  until the process ends
        pipes = {"stdin": subprocess.DEVNULL, "stdout": self._noise, "stderr": subprocess.STDOUT}
        super().__init__(module, *arguments, **pipes)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._noise.close()

    def wait(self, seconds: float) -> str | None:
        """None when it is done; else what went wrong, in a line, after so many seconds at most."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return f"did not finish in {seconds:.0f} s"
        if status == 0:
            return None
        self._noise.seek(0)
        last = self._noise.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
        if status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return last or f"ended with status {status}"


def limit_memory(size: int) -> None:
    """Bound the address space of this process, in bytes; it can be bound anew to less or more."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


@contextmanager
def blaming_scratch() -> Iterator[None]:
    """Turn what a full or unwritable temporary folder does into a PortError about that folder."""
    try:
        yield
    except OSError as error:
        raise PortError(
            tempfile.gettempdir(),
            f"cannot hold temporary files: {os.strerror(error.errno or 0)}",
            "Free some space, or set TMPDIR to another folder",
        ) from error


def new_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="signbart-port-")
