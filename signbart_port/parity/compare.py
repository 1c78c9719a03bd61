"""Compare outputs with float64 truth, module by module, and keep the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from signbart_port.parity.counting import Counting, absolute_difference
from signbart_port.parity.taps import Floats, module_of
from signbart_port.parity.tolerances import RUN, Tolerance, largest


class Truth(Protocol):
    """The outputs of a reference: in float64 by tap, with the error of its own float32 run."""

    @property
    def noise(self) -> Mapping[str, float]:
        """The largest absolute float32 error of each tap."""

    def value(self, tap: str) -> Floats:
        """Return the float64 output of a tap."""


@dataclass(frozen=True)
class Row:
    """One module's verdict.

    Errors are the largest absolute difference from float64.
    """

    tap: str
    error: float
    noise: float
    scale: float
    limit: float
    elements: int
    worst: tuple[int, ...]
    expected: float
    got: float
    undecided: bool = False
    """Whether float32 is too coarse to tell: the error is beyond the limit, and not far beyond what
    rounding becomes here, as the difference of the two models in float64 shows."""

    @property
    def passed(self) -> bool:
        """Whether the error is within its limit. NaN compares false, so a NaN anywhere fails; so
        does having compared nothing, and a limit that is not finite because the reference is
        not."""
        return self.elements > 0 and self.error <= self.limit < np.inf

    @property
    def module(self) -> str:
        """The path of the module whose output this is, whichever call and part of it."""
        return module_of(self.tap)

    def sentence(self) -> str:
        """Describe the worst element on one line."""
        if not self.elements:
            return "nothing to compare, or another shape"
        return (
            f"off by {self.error:.2e}, limit {self.limit:.2e}"
            f" (at {list(self.worst)}: expected {self.expected:.7g}, got {self.got:.7g})"
        )


def compare(
    tap: str, got: Floats, truth: Truth, counting: Counting, tolerance: Tolerance = RUN
) -> Row:
    """Judge one tap, at the positions that count."""
    expected = truth.value(tap)
    if got.shape != expected.shape:
        return absent(tap)
    shape = expected.shape
    expected, got = counting.select(tap, expected), counting.select(tap, got)
    error = absolute_difference(got, expected)
    # argmax stops at a NaN, so a NaN is the worst element and the error.
    worst = np.unravel_index(int(np.argmax(error)), error.shape) if error.size else ()
    return Row(
        tap=tap,
        error=float(error[worst]) if error.size else np.nan,
        noise=truth.noise[tap],
        scale=largest(expected),
        limit=tolerance.limit_of(expected, truth.noise[tap]),
        elements=error.size,
        worst=counting.place(tap, shape, [int(i) for i in worst]),
        expected=float(expected[worst]) if error.size else np.nan,
        got=float(got[worst]) if error.size else np.nan,
    )


class Comparison:
    """The verdicts on every tap of `truth`, made as a candidate's outputs come in.

    `wrong` keeps the outputs that failed, for a search of the cause. The `optional` taps are left
    out where the candidate has no such output, or one of another shape.
    """

    def __init__(
        self,
        truth: Truth,
        taps: Sequence[str],
        counting: Counting,
        tolerance: Tolerance = RUN,
        optional: Set[str] = frozenset(),
    ) -> None:
        self._truth, self._taps, self._counting = truth, taps, counting
        self._tolerance, self._optional = tolerance, optional
        self._rows: dict[str, Row] = {}
        self.wrong: dict[str, Floats] = {}

    def record(self, tap: str, output: Floats) -> None:
        """Judge one output; taps that the reference does not have are passed over."""
        if tap in self._taps:
            if tap in self._optional and output.shape != self._truth.value(tap).shape:
                return
            row = compare(tap, output, self._truth, self._counting, self._tolerance)
            self._rows[tap] = row
            if row.elements and not row.passed:
                self.wrong[tap] = output

    def rows(self) -> tuple[Row, ...]:
        """Return a row per tap, in the order of the reference's run; a tap without output has
        failed."""
        there = [tap for tap in self._taps if tap in self._rows or tap not in self._optional]
        return tuple(self._rows.get(tap) or absent(tap) for tap in there)


def absent(tap: str) -> Row:
    """Return the failed row of a tap of which nothing was compared."""
    return Row(tap, np.inf, np.nan, np.nan, 0.0, 0, (), np.nan, np.nan)
