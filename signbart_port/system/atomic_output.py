"""Atomic outputs: a reader sees the old file or the complete new one, whatever happens in
between."""

from __future__ import annotations

import errno
import glob
import os
import secrets
import signal
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from signbart_port.errors import PortError, printable
from signbart_port.system import locks, own_files
from signbart_port.system.locks import Lock

_LOCK_TRIES = 20
_EXISTS = "exists; give --force to replace it"
_ELSEWHERE = "Write to another folder, or change its permissions"
_FREE_SPACE = "Free some space, or write to another disk"
# Errors of a write that are the disk's or the folder's; any other OSError is not about the output.
_FAULTS = {
    errno.EACCES: _ELSEWHERE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EFBIG: "Raise the limit on file sizes (ulimit -f), or write to another disk",
    errno.EIO: "The disk may be failing: write to another one",
    errno.ENAMETOOLONG: "Give a shorter name",
    errno.ENOSPC: _FREE_SPACE,
    errno.EPERM: _ELSEWHERE,
    errno.EROFS: _ELSEWHERE,
}


def check(path: str | Path, *, force: bool, inputs: Iterable[str | Path] = ()) -> None:
    """Refuse, before any work, an output that `replacing` would refuse.

    Raises PortError if `path` is a directory or a device, if it is one of `inputs` (through any
    link), if it exists without `force`, or if its folder is missing or read-only.
    """
    target = _target(path)
    if os.path.isdir(target):
        raise PortError(path, "is a directory, not a file", "Add a file name")
    if not os.path.isdir(target.parent):
        raise PortError(path, "its folder does not exist", "Create it, or name another")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise PortError(path, "cannot be written: its folder is read-only", _ELSEWHERE)
    if not os.path.lexists(target):
        return
    if not os.path.isfile(target):
        raise PortError(path, "is not a regular file", "Give the output another name")
    for source in inputs:
        if os.path.exists(source) and os.path.samefile(source, target):
            same = f"is the input {printable(source)} itself"
            raise PortError(path, same, "Give the output another name")
    if not force:
        raise PortError(path, _EXISTS)


def check_suffix(path: str | Path, suffixes: Iterable[str], what: str) -> None:
    """Raise PortError unless a name, and the one that it links to, ends in one of `suffixes`: an
    output never replaces a file of another kind."""
    for name in (path, os.path.realpath(path)):
        if Path(name).suffix not in suffixes:
            raise PortError(path, f"{what} is written as {' or '.join(suffixes)}")


@contextmanager
def replacing(
    path: str | Path, *, force: bool, inputs: Iterable[str | Path] = ()
) -> Iterator[Path]:
    """Yield a name to write the output under; on clean exit the file written there becomes `path`.

    The name is in the same folder and has the same suffixes. After any exception it is removed and
    `path` is unchanged. Without `force`, a file that appears meanwhile is not replaced either. If
    `path` is a symbolic link, it stays one: the file that it points to is replaced.

    Raises PortError as `check` does, and if the disk or the folder refuses the write.
    """
    check(path, force=force, inputs=inputs)
    target = _target(path)
    stem, suffix = _split(target)
    temp = target.with_name(f".{stem}-{secrets.token_hex(4)}{suffix}")
    lock = _lock_of_folder(target)
    try:
        with own_files.owned(temp), _disk_errors(path, temp):
            try:
                temp.touch(exist_ok=False)  # shows the mode that a new file gets here
            except FileNotFoundError as error:  # a folder of /proc takes no file
                raise refused_by_disk(path, error) from error
            mode = stat.S_IMODE(temp.stat().st_mode)
            temp.unlink()  # else a writer that adds a suffix of its own would leave it empty
            yield temp
            temp.chmod(mode)  # safetensors, for one, makes its files private
            _sync(temp)
            end_if_signaled()
            _place(temp, target, path, force)
    finally:
        if lock is not None:
            os.close(lock)
    with suppress(OSError):  # the output is in place; some filesystems cannot sync a folder
        _sync(target.parent)


def _lock_of_folder(target: Path) -> int | None:
    """Return the lock under which unfinished outputs of this folder are somebody's; None where its
    filesystem has none.

    Where nobody writes there, what a killed process left of this output is removed first.
    """
    try:
        lock = os.open(target.parent, os.O_RDONLY)
    except OSError:
        return None
    if locks.take(lock) is Lock.HELD:
        remove_unfinished(target)
    for _ in range(_LOCK_TRIES):
        if locks.take(lock, shared=True) is not Lock.BUSY:
            break
        time.sleep(0.01)  # one that removes is busy for a moment
    return lock


def sweep(path: str | Path) -> None:
    """Remove what another process, which has ended, left of this output, unless somebody else
    writes to its folder: then the next one to write there does it."""
    if (lock := _lock_of_folder(_target(path))) is not None:
        os.close(lock)


def remove_unfinished(path: str | Path) -> None:
    """Remove what `replacing` left of this output when its process was killed while writing."""
    target = _target(path)
    stem, suffix = _split(target)
    for temp in target.parent.glob(f".{glob.escape(stem)}-{'[0-9a-f]' * 8}{glob.escape(suffix)}"):
        with suppress(OSError):
            temp.unlink()


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the program as Ctrl-C does, by an exception: SystemExit(143).

    This lets `replacing` clean up. Where foreign code drops the exception, or makes another of it,
    the program ends all the same, before an output is put in place. A signal that is ignored, as
    under nohup, stays ignored. For the main thread only.
    """

    def stop(number: int, _: FrameType | None) -> NoReturn:
        _signaled.append(number)
        end_if_signaled()
        raise AssertionError

    before = {
        number: signal.signal(number, stop)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
        end_if_signaled()
    except Exception:
        end_if_signaled()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _signaled.clear()


def end_if_signaled() -> None:
    """Raise KeyboardInterrupt or SystemExit if a signal should have ended the program."""
    if _signaled:
        interrupted = _signaled[-1] == signal.SIGINT
        raise KeyboardInterrupt if interrupted else SystemExit(128 + _signaled[-1])


_signaled: list[int] = []
"""The signals that `interruptible` has received."""


def _target(path: str | Path) -> Path:
    return Path(os.path.realpath(path))


def _split(target: Path) -> tuple[str, str]:
    suffix = "".join(target.suffixes)
    return target.name.removesuffix(suffix), suffix


def _place(temp: Path, target: Path, path: str | Path, force: bool) -> None:
    if force:
        temp.replace(target)
        return
    try:
        os.link(temp, target)  # unlike a rename, refuses a name that is taken
    except FileExistsError:
        raise PortError(path, _EXISTS) from None
    except OSError:  # this filesystem has no hard links
        if os.path.lexists(target):
            raise PortError(path, _EXISTS) from None
        temp.replace(target)
    else:
        temp.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _disk_errors(path: str | Path, temp: Path) -> Iterator[None]:
    """Turn a disk's or folder's refusal to write `temp` into a PortError about `path`."""
    try:
        yield
    except OSError as error:
        about_temp = str(error.filename or temp) == str(temp)
        if error.errno not in _FAULTS or not about_temp:
            raise
        raise refused_by_disk(path, error) from error


def refused_by_disk(path: str | os.PathLike[str], error: OSError) -> PortError:
    """Return the error of an output that the disk or its folder refuses."""
    why = os.strerror(error.errno) if error.errno else str(error)
    return PortError(path, f"cannot be written: {why}", _FAULTS.get(error.errno or 0, _ELSEWHERE))
