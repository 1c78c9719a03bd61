"""Processes of our own: for what may crash, hang, or must not share memory with TensorFlow."""

from __future__ import annotations

import os
import resource
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

from signbart_port.errors import PortError, printable
from signbart_port.system import locks, own_files
from signbart_port.system.locks import Lock


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


def resident(process: int) -> int:
    """Return the memory of a process that is resident, in bytes; 0 where the system has no /proc
    to tell it."""
    return _memory(process, 1)


def address_space() -> int:
    """Return the address space of this process in bytes; 0 where the system has no /proc to tell
    it."""
    return _memory(os.getpid(), 0)


def _memory(process: int, column: int) -> int:
    try:
        pages = Path(f"/proc/{process}/statm").read_text().split()[column]
    except (OSError, IndexError):  # also of a process that has just ended
        return 0
    return int(pages) * resource.getpagesize()


def empty(folder: Path) -> None:
    """Remove everything in a folder. Raises OSError."""
    for one in folder.iterdir():
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        else:
            one.unlink()


@contextmanager
def scratch_errors(folder: Path | None = None) -> Iterator[None]:
    """Turn what a full or unwritable temporary folder does into a PortError about that folder: by
    default that of this process."""
    try:
        yield
    except OSError as error:
        raise scratch_error(error, folder) from error


def scratch_error(error: OSError, folder: Path | None = None) -> PortError:
    """Return the refusal of a temporary folder that cannot be written to."""
    why = os.strerror(error.errno) if error.errno else printable(error)
    return PortError(
        folder or _temporary_folder(),
        f"cannot hold temporary files: {why}",
        "Free some space, or set TMPDIR to another folder",
    )


def _temporary_folder() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:  # not even the smallest file can be written
        return os.environ.get("TMPDIR", "/tmp")


@contextmanager
def new_folder() -> Iterator[str]:
    """Yield a temporary folder of this process: what killed ones have left is removed first.

    It is locked while its process lives. Raises OSError.
    """
    root, name = Path(tempfile.gettempdir()), secrets.token_hex(8)
    _sweep(root)
    folder = root / f"{_PREFIX}{name}"
    made = root / f"signbart-new-{name}"  # not to be swept before its lock
    with ExitStack() as stack:
        for one in (folder, made):
            stack.enter_context(own_files.owned(one))
        made.mkdir(mode=0o700)
        lock = os.open(made, os.O_RDONLY)
        stack.callback(os.close, lock)  # first: the last file that may be open lists the folder
        if locks.take(lock) is Lock.HELD:
            with suppress(OSError):
                made = made.rename(folder)
        yield str(made)


_PREFIX = "signbart-port-"


@cache
def _sweep(root: Path) -> None:
    """Remove the temporary folders of processes that have ended without doing so."""
    for folder in root.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            if locks.take(lock) is Lock.HELD:
                shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
