"""What is timed takes turns, so that whatever else the machine does slows all of it alike."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median

_PAUSE = 0.005  # seconds in which the threads of the one before stop spinning
CLI = [sys.executable, "-c", "from signbart_port.cli import main; main()"]


class Failed(Exception):
    """A command that ended with an error; says the last line that it wrote."""


def run(command: list[str]) -> tuple[float, int]:
    """Run a command. Returns its seconds, and the peak memory in bytes of its largest process.

    Raises Failed.
    """
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stderr is not None
        words = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        lines = [line for line in words.splitlines() if line.strip()]
        raise Failed(lines[-1].strip() if lines else f"ended with {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def timed(
    calls: Mapping[str, Callable[[], object]], rounds: int, *, warm: bool = True
) -> dict[str, list[float]]:
    """Return the seconds of each call, in each round.

    Every round begins with another one. With `warm` each is called once before it is timed, as what
    ran before it has had the caches.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    order = list(calls)
    for number in range(rounds):
        first = number % len(order)
        for name in order[first:] + order[:first]:
            if warm:
                time.sleep(_PAUSE)
                calls[name]()
            start = time.perf_counter()
            calls[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def medians(
    calls: Mapping[str, Callable[[], object]], rounds: int, *, warm: bool = True
) -> dict[str, float]:
    """Return the median seconds of each call, taking turns like `timed`."""
    return {name: median(spent) for name, spent in timed(calls, rounds, warm=warm).items()}
