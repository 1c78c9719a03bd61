"""Processes of our own: for what may crash, hang, or must not share memory with TensorFlow."""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from signbart_port.errors import PortError


def command(module: str, *arguments: str | Path) -> list[str]:
    """Return the command line that runs a module of this package.

    -P: the folder that the user stands in, which may be a stranger's, is no place to import from.
    """
    return [sys.executable, "-P", "-m", module, *map(str, arguments)]


def limit_memory(size: int) -> None:
    """Bound the address space of this process, in bytes; it can be bound anew to less or more."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


@contextmanager
def scratch_errors() -> Iterator[None]:
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
