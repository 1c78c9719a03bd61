"""Workers that are kept after their job, so that the next one pays for no second import.

One of each module is kept, until this process ends. It never runs in another folder or with other
environment variables than a new one would.
"""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from signbart_port.system import processes
from signbart_port.system.worker import Worker

_MOST_MEMORY = 2 << 30
"""The resident memory, in bytes, above which a worker is not kept."""


@dataclass(frozen=True)
class _Surroundings:
    """What a process takes from its caller when it starts."""

    folder: str
    temporary: str
    environment: frozenset[tuple[str, str]]
    program: str

    @classmethod
    def now(cls, program: str) -> _Surroundings:
        folder, temporary = os.getcwd(), tempfile.gettempdir()
        return cls(folder, temporary, frozenset(os.environ.items()), program)


_kept: dict[str, tuple[_Surroundings, Worker]] = {}
_of_parent: list[Worker] = []


@contextmanager
def lent(module: str, *, program: str = "", most_jobs: int | None = None) -> Iterator[Worker]:
    """Yield a worker of a module: the one that was kept, or a new one.

    It is kept again unless a job failed, or was not waited for, or it has had `most_jobs`, or it
    holds too much memory. `program` stands for what it has read and may not mix: one that was kept
    for another is ended. Raises PortError as `Worker` does.
    """
    with processes.scratch_errors():
        surroundings = _Surroundings.now(program)
    worker = _taken(module, surroundings) or Worker(module)
    try:
        yield worker
    except BaseException:
        worker.end()
        raise
    mine = surroundings, worker
    if not worker.rests(most_jobs, _MOST_MEMORY) or _kept.setdefault(module, mine) is not mine:
        worker.end()


def _taken(module: str, surroundings: _Surroundings) -> Worker | None:
    if (kept := _kept.pop(module, None)) is None:
        return None
    before, worker = kept
    if before == surroundings and worker.lives():
        return worker
    worker.end()
    return None


@atexit.register
def end_all() -> None:
    """End every worker that is kept."""
    while _kept:
        _, (_, worker) = _kept.popitem()
        worker.end()


def _leave_to_parent() -> None:
    """Let go of the workers in a fork of their process, which still has them."""
    for _, worker in _kept.values():
        worker.let_go()
        _of_parent.append(worker)
    _kept.clear()


os.register_at_fork(after_in_child=_leave_to_parent)
