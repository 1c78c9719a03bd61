"""An end to what takes too long, by processor time and by the clock."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import soak_common


class Hang(BaseException):
    """The end of what takes too long; nothing catches it on the way."""


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raise Hang after so many seconds of this process's time, or after a command's by the clock:
    what waits takes no time, and a busy machine lets everything wait."""

    def late(_: int, __: FrameType | None) -> None:
        raise Hang

    limits = (
        (signal.ITIMER_PROF, signal.SIGPROF, seconds),
        (signal.ITIMER_REAL, signal.SIGALRM, soak_common.SECONDS),
    )
    before = {number: signal.signal(number, late) for _, number, _ in limits}
    for timer, _, limit in limits:
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for timer, _, _ in limits:
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
