"""A worker, as its caller sees it: a process that takes jobs, for what may crash, hang, or must not
share memory with another framework.

What a worker does is in a module of a package `workers/`, which ends in a call of
`serving.serve`. A job is a frozen dataclass with named arrays beside it; so is the answer, or else
it is one failure. Both lie in the worker's scratch folder; the pipes carry nothing but whose turn
it is, and the step that a job has come to.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from signbart_port.errors import PortError, printable
from signbart_port.system import messages, processes
from signbart_port.system.progress import ProgressCallback, no_progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")
_LAST_SECONDS = 10  # that a process takes to end once it has closed its pipe
JOB, ANSWER = "job", "answer"
"""The names of the two messages."""
NO_ROOM = 74
"""The exit status of a worker that cannot even write why it fails (`EX_IOERR` of sysexits.h)."""
TURN = b"ready\n"
"""The line that either side writes to its pipe when its message is there."""


class FailureKind(Enum):
    """The ways in which a job ends without a result."""

    REFUSED = "refused"
    """The worker found bad input and says so, as a PortError does."""
    FAILED = "failed"
    """An exception ended the job."""
    SIGNAL = "signal"
    """A signal ended the process."""
    STATUS = "status"
    """The process ended without an answer."""
    TIMEOUT = "timeout"
    """There was no answer in time."""


@dataclass(frozen=True)
class Failure:
    """Why a job has no result."""

    kind: FailureKind
    message: str
    """The error: as the predicate of a sentence, or an exception in a line."""
    culprit: Path | None = None
    """The file that is to blame, where a worker refuses one."""
    hint: str = ""
    """The remedy."""
    status: int = 0
    """The exit status of a process that ended."""


class WorkerFailed(Exception):
    """A job without a result."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure

    def error(self, path: str | Path | None, what: str, hint: str = "") -> PortError:
        """Return this as a PortError: what the worker refuses in its own words, anything else as
        `what` is wrong with the file `path`, and why."""
        failure = self.failure
        if failure.kind is FailureKind.REFUSED:
            return PortError(failure.culprit or path, failure.message, failure.hint)
        return PortError(path, f"{what} ({failure.message})", hint)


@dataclass(frozen=True)
class Limits:
    """The limits of one job."""

    seconds: float | None
    """The time that its caller waits for the answer; None: as long as the process lives."""
    memory: int = 0
    """Address space in bytes, besides that of the worker itself: a multiple of the job's size."""


@dataclass(frozen=True)
class Order:
    """A job as it is handed over."""

    job: Any
    """The job's dataclass as plain values."""
    memory: int
    """See `Limits`."""


@dataclass(frozen=True)
class Answer:
    """The result of a job."""

    plain: Any
    """A dataclass as plain values."""
    arrays: Mapping[str, NDArray[Any]]
    """Named arrays, each loaded when it is asked for: until the next job, or the worker's end."""

    def read(self, kind: type[T]) -> T:
        """Return the dataclass of which the worker made `plain`."""
        return messages.from_plain(kind, self.plain)


class Worker:
    """A module of a package `workers/` in a process of its own, which starts at once.

    A context manager: leaving it ends the process and removes its scratch folder. Jobs are taken
    one after the other. Raises PortError where there is no room for temporary files.
    """

    def __init__(self, module: str) -> None:
        self._limits: Limits | None = None
        self._jobs, self._failed = 0, False
        self._received = b""
        with ExitStack() as stack, processes.scratch_errors():
            self.folder = Path(stack.enter_context(processes.new_folder()))
            self._noise = stack.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(
                processes.command(module, self.folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._noise,
                bufsize=0,
            )
            stack.callback(self._end)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def end(self) -> None:
        """End the process, whatever it does, and remove its scratch folder."""
        self._stack.close()

    def lives(self) -> bool:
        """Return whether the process is there to take a job."""
        return self._process.poll() is None

    def rests(self, most_jobs: int | None, most_memory: int) -> bool:
        """Empty the scratch folder, and return whether the process may take another job.

        It may not after a job that failed or was not waited for, after `most_jobs`, or with more
        than `most_memory` bytes resident, where the system tells.
        """
        if self._failed or self._limits is not None or not self.lives():
            return False
        if self._jobs == most_jobs or processes.resident(self._process.pid) > most_memory:
            return False
        try:
            processes.empty(self.folder)
        except OSError:
            return False
        return True

    def let_go(self) -> None:
        """Close this process' side of the pipes: another process, of which it is a fork, has the
        worker."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        self.let_go()

    def send(
        self, job: object, limits: Limits, arrays: Mapping[str, NDArray[Any]] | None = None
    ) -> None:
        """Hand over a job, without waiting for it: the next call is `answer`."""
        assert self._limits is None, "a worker takes one job at a time"
        with processes.scratch_errors():
            order = Order(messages.to_plain(job), limits.memory)
            messages.write(self.folder, JOB, order, arrays)
        self._limits = limits
        self._jobs += 1
        assert self._process.stdin is not None
        with suppress(ConnectionError):  # of a process that has ended `answer` tells
            self._process.stdin.write(TURN)

    def answer(self, progress: ProgressCallback = no_progress) -> Answer:
        """Wait for the result of the job that was sent last; `progress` is called with the steps
        that it names. Raises WorkerFailed without a result."""
        assert self._limits is not None, "no job was sent"
        seconds, self._limits = self._limits.seconds, None
        self._failed = True  # until its result is here
        if (ended := self._wait(seconds, progress)) is not None:
            raise WorkerFailed(ended)
        plain, arrays = messages.read(self.folder, ANSWER)
        if plain["failure"] is not None:
            raise WorkerFailed(messages.from_plain(Failure, plain["failure"]))
        self._failed = False
        return Answer(plain["result"], arrays)

    def run(
        self, job: object, limits: Limits, arrays: Mapping[str, NDArray[Any]] | None = None
    ) -> Answer:
        """Send a job and wait for its answer."""
        self.send(job, limits, arrays)
        return self.answer()

    def _wait(self, seconds: float | None, progress: ProgressCallback) -> Failure | None:
        """Return None when it is this side's turn, else what has kept the worker from it."""
        late = Failure(FailureKind.TIMEOUT, f"did not finish in {seconds or 0:.0f} s")
        deadline = None if seconds is None else time.monotonic() + seconds
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not self._is_turn(progress):
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                if not selector.select(left):
                    return late
                if not (data := os.read(self._process.stdout.fileno(), 1 << 16)):
                    try:
                        return self._ended(self._process.wait(_LAST_SECONDS))
                    except subprocess.TimeoutExpired:
                        return late
                self._received += data
        return None

    def _is_turn(self, progress: ProgressCallback) -> bool:
        """Take the lines that have come, and return whether the last says that it is this side's
        turn; every other is a step."""
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            if line == TURN.rstrip():
                return True
            progress(printable(line.decode("utf-8", "replace")))
        return False

    def _ended(self, status: int) -> Failure:
        if status == NO_ROOM:
            full = processes.scratch_error(OSError(errno.ENOSPC, ""), self.folder.parent)
            return Failure(FailureKind.REFUSED, full.what, self.folder.parent, full.hint)
        if status < 0:
            name = signal.Signals(-status).name
            return Failure(FailureKind.SIGNAL, f"was ended by {name}", status=status)
        self._noise.seek(0)
        last = self._noise.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
        message = last if status and last else f"ended with status {status}"
        return Failure(FailureKind.STATUS, message, status=status)
