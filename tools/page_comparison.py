"""Whether a command prints what its page shows, but for what differs from run to run."""

from __future__ import annotations

import re
from collections.abc import Sequence

ANYTHING = "..."
"""On a line of its own, stands for any number of lines."""
_NOT_COMPARED = (
    # How long something took depends on the machine and on what else runs there.
    (re.compile(r"\d[\d,]*(\.\d+)?(?= (µs|ms|s|seconds?|min|minutes?|hours?)\b)"), "TIME"),
    (re.compile(r"\d[\d,]*(\.\d+)?(?= (MB|GB|MiB|GiB) of memory\b)"), "MEMORY"),
    (re.compile(r"\b20\d\d-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:?\d\d)?)?"), "DATE"),
)
_ERROR = re.compile(r"\b\d\.\d+e[+-]\d+\b|(?<![\d.,])-?\d+\.\d{5,}(?!\d)")
"""An error (4.4e-07), or a value with all of its digits."""
_LARGEST_RATIO = 10
"""Between two runs of one command: rounding depends on the processor, its number of cores and the
libraries' kernels. What is really wrong is off by more (docs/parity.md), or in words."""


def matches(shown: Sequence[str], printed: Sequence[str]) -> bool:
    """Return whether the lines that a page shows are those that were printed."""
    return aligned(shown, printed) is not None


def aligned(shown: Sequence[str], printed: Sequence[str]) -> list[str] | None:
    """Return `shown` with the lines that were printed in place of its own, where they match. A line
    that differs in nothing but times stays, and so does `...`, which takes as few lines as it can.
    """
    if not shown:
        return [] if not printed else None
    first, *rest = shown
    if first.strip() == ANYTHING:
        for skipped in range(len(printed) + 1):
            if (below := aligned(rest, printed[skipped:])) is not None:
                return [first, *below]
        return None
    if not printed or not same_line(first, printed[0]):
        return None
    below = aligned(rest, printed[1:])
    line = first if _timeless(first) == _timeless(printed[0]) else printed[0]
    return None if below is None else [line, *below]


def same_line(shown: str, printed: str) -> bool:
    """Return whether two lines differ in nothing but times, dates, and the digits of errors."""
    mine, errors = _reduced(shown)
    its, others = _reduced(printed)
    return mine == its and all(map(_close, errors, others))


def _reduced(line: str) -> tuple[str, list[float]]:
    """Return a line without what is not compared digit by digit, and the errors in it."""
    line = _timeless(line)
    errors = [float(one) for one in _ERROR.findall(line)]
    return " ".join(_ERROR.sub("ERROR", line).split()), errors


def _timeless(line: str) -> str:
    """Return a line without what is not compared at all."""
    for pattern, name in _NOT_COMPARED:
        line = pattern.sub(name, line)
    return line


def _close(a: float, b: float) -> bool:
    small, large = sorted((abs(a), abs(b)))
    return a == b or ((a > 0) == (b > 0) and large <= _LARGEST_RATIO * small)
