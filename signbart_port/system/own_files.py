"""Files and folders that do not outlive this process, even where a signal interrupts its cleaning.

The exception of a signal's handler may end any line, also one that removes a file. What is still
there then is removed when the interpreter ends.
"""

from __future__ import annotations

import atexit
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_owners: dict[Path, int] = {}
"""The process that removes each path: a fork of it has the table too, and removes nothing."""


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Remove a file or folder, which may not be there yet, when this context ends."""
    _owners[path] = os.getpid()
    try:
        yield
    finally:
        _remove(path)


@atexit.register
def _remove_all() -> None:
    for path in list(_owners):
        _remove(path)


def _remove(path: Path) -> None:
    if _owners.get(path) == os.getpid():
        with suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
    if not os.path.lexists(path):  # else it is tried once more at the end
        _owners.pop(path, None)
