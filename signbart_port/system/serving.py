"""A worker's own side: it takes jobs one after the other until its caller is gone."""

from __future__ import annotations

import errno
import importlib
import os
import select
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from signbart_port.errors import PortError, printable
from signbart_port.system import messages, processes
from signbart_port.system.packages import not_installed
from signbart_port.system.worker import ANSWER, JOB, NO_ROOM, TURN, Failure, FailureKind, Order

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
J = TypeVar("J")
Arrays = Mapping[str, "NDArray[Any]"]
Result = tuple[object, Arrays]
"""The result of a job: a dataclass, or other plain values, and named arrays."""


def serve(
    job_type: type[J],
    run: Callable[[J, Arrays], Result],
    *,
    framework: str | None,
    memory: int | None,
) -> None:
    """Be the worker of the process that has started this one: `run` its jobs.

    `framework` is the module that is imported before the first job comes, `memory` the bound on the
    address space until then (each job adds its own); None for no bound at all. An exception ends
    the job, not the worker.
    """
    folder = Path(sys.argv[1])
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever an import prints is no answer
    _pipe.append(answers)
    watch = _end_with_caller(folder)
    tempfile.tempdir = str(folder)  # removed with the worker, whatever ends it
    if memory is not None:
        processes.limit_memory(memory)
    missing: ModuleNotFoundError | None = None
    if framework is not None:
        try:
            importlib.import_module(framework)
        except ModuleNotFoundError as error:
            missing = error  # told to the job that needs it
        except Exception as error:
            raise SystemExit(_line(error)) from None
    for _ in sys.stdin.buffer:
        try:
            if missing is not None:
                raise missing
            order, arrays = _taken(folder, memory)
            result, given = run(messages.from_plain(job_type, order.job), arrays)
            with processes.scratch_errors(folder.parent):
                messages.write(folder, ANSWER, {"result": result, "failure": None}, given)
        except Exception as error:
            _report(folder, error)
        os.write(answers, TURN)
    watch.join()  # it removes the folder


def step(name: str) -> None:
    """Tell the caller which step of the job begins: a `ProgressCallback`."""
    os.write(_pipe[0], f"{printable(name)}\n".encode())


_pipe: list[int] = []
"""The pipe to the caller, once `serve` has begun."""


def _taken(folder: Path, memory: int | None) -> tuple[Order, Arrays]:
    """Return the job that lies in the folder, once there is room for it."""
    size = messages.size_of(folder, JOB)
    plain, arrays = messages.read(folder, JOB)
    order = messages.from_plain(Order, plain)
    if memory is not None:
        limit = max(memory, processes.address_space()) + order.memory
        if size > limit:
            raise PortError(None, f"is {size:,} bytes, more than the {limit:,} that it may take")
        processes.limit_memory(limit)
    return order, arrays


def _report(folder: Path, error: Exception) -> None:
    if isinstance(error, OSError) and error.errno in _FULL:
        error = processes.scratch_error(error, folder.parent)
    if isinstance(error, ModuleNotFoundError):
        error = not_installed(error) or error
    if isinstance(error, PortError):
        culprit = None if error.path is None else Path(error.path)
        failure = Failure(FailureKind.REFUSED, error.what, culprit, error.hint)
    else:
        failure = Failure(FailureKind.FAILED, _line(error))
    try:
        messages.write(folder, ANSWER, {"result": None, "failure": failure})
    except OSError:  # a full disk may have been the reason
        os._exit(NO_ROOM)


def _line(error: Exception) -> str:
    """Return the error in a line, without the unpickler's text, which advises unsafe loading."""
    name = type(error).__name__
    return name if isinstance(error, UnpicklingError) else f"{name}: {printable(error)}"


def _end_with_caller(folder: Path) -> Thread:
    """Watch the pipe from the caller, whose other end is closed when the caller ends, even by
    SIGKILL, and end with it in the middle of a job."""

    def watch() -> None:
        hangup = select.poll()
        hangup.register(0, 0)
        hangup.poll()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    thread = Thread(target=watch, daemon=True)
    thread.start()
    return thread
