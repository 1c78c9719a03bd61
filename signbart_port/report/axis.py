"""The logarithmic axis of the picture, in per cent of its width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

_FINEST, _COARSEST = -12, 4  # exponents: one absurd figure must not squeeze all the others
_MOST_LABELS = 6  # that fit on a phone
_EDGE, _GUTTER = 2.0, 9.0  # margin of the axis, without and with a place for what has no logarithm
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Tick:
    """A power of ten: its position, and its label ("" where labels would crowd)."""

    at: float
    label: str


@dataclass(frozen=True)
class LogAxis:
    """A logarithmic axis from 10**`low` to 10**`high`."""

    low: int
    high: int
    zero: bool  # whether there is a place for zero, at the left
    beyond: bool  # whether there is a place for what is not finite, at the right

    @classmethod
    def of(cls, figures: Iterable[float]) -> LogAxis:
        """Return the axis that shows all these figures, none of them negative."""
        figures = list(figures)
        exponents = [log10(f) for f in figures if isfinite(f) and f > 0] or [-8.0, -4.0]
        low = min(max(floor(min(exponents)), _FINEST), _COARSEST - 1)
        high = max(min(ceil(max(exponents)), _COARSEST), low + 1)
        return cls(low, high, 0 in figures, not all(map(isfinite, figures)))

    def at(self, figure: float) -> float:
        """Return the position of a figure; one beyond an end of the axis is placed at that end."""
        if not isfinite(figure):
            return 100 - _EDGE
        if figure <= 0:
            return _EDGE
        share = (log10(figure) - self.low) / (self.high - self.low)
        left, right = _GUTTER if self.zero else _EDGE, 100 - (_GUTTER if self.beyond else _EDGE)
        return round(left + min(max(share, 0.0), 1.0) * (right - left), 2)

    def ticks(self) -> Iterator[Tick]:
        """Yield a tick per decade, from left to right."""
        every = ceil((self.high - self.low + 1) / _MOST_LABELS)
        for exponent in range(self.low, self.high + 1):
            label = f"10{str(exponent).translate(_SUPERSCRIPT)}"
            crowded = (exponent - self.low) % every
            yield Tick(self.at(10.0**exponent), "" if crowded else label)
