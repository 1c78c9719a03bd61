"""Compare outputs with float64 truth, module by module, and keep the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from signbart_port.parity.tolerances import RUN, Criterion
from signbart_port.tflite.modes import Precision

Floats = NDArray[np.floating]
LOGITS = "logits"
"""The tap of the whole model's output; every other tap is a module's path."""


def tap_name(path: str, call: int, part: int | None = None) -> str:
    """The tap of a module's `call`-th call, from 1: a shared dropout runs more than once.

    `part` counts the outputs of a module that has several, from 0.
    """
    name = path if call == 1 else f"{path}:{call}"
    return name if part is None else f"{name}[{part}]"


def outputs_of(path: str, call: int, output: Any) -> dict[str, Any]:
    """The outputs of a module's call by tap, of either framework."""
    if isinstance(output, tuple):
        return {tap_name(path, call, part): value for part, value in enumerate(output)}
    return {tap_name(path, call): output}


def module_of(tap: str) -> str:
    """The inverse of `tap_name`: the module's path."""
    return tap.partition("[")[0].partition(":")[0]


def part_of(tap: str) -> int:
    """Which of its module's outputs a tap is, from 0."""
    part = tap.partition("[")[2]
    return int(part.removesuffix("]")) if part else 0


class Truth(Protocol):
    """What a reference gives: float64 outputs by tap, and its own float32 run's error."""

    @property
    def noise(self) -> Mapping[str, float]:
        """The largest absolute float32 error of each tap."""

    def value(self, tap: str) -> Floats:
        """The tap's float64 output."""


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

    @property
    def passed(self) -> bool:
        """NaN compares false, so a NaN anywhere fails; so does having compared nothing, and a limit
        that is not finite because the reference is not.
        """
        return self.elements > 0 and self.error <= self.limit < np.inf

    @property
    def module(self) -> str:
        """The path of the module whose output this is, whichever call and part of it."""
        return module_of(self.tap)

    def sentence(self) -> str:
        """The worst element on one line."""
        if not self.elements:
            return "nothing to compare, or another shape"
        return (
            f"off by {self.error:.2e}, limit {self.limit:.2e}"
            f" (at {list(self.worst)}: expected {self.expected:.7g}, got {self.got:.7g})"
        )


def compare(
    tap: str,
    got: Floats,
    truth: Truth,
    frames: NDArray[np.bool_],
    precision: Precision = Precision.FLOAT32,
    criterion: Criterion = RUN,
) -> Row:
    """Judge one tap.

    `frames` (N, T) are the frames that count. `criterion` is for float32.
    """
    expected = truth.value(tap)
    if got.shape != expected.shape:
        return absent(tap)
    place = partial(_place, expected, frames)
    expected, got = counted(expected, frames), counted(got, frames)
    error = _difference(got, expected)
    scale = float(np.max(np.abs(expected), initial=0.0))
    # argmax stops at a NaN, so a NaN is the worst element and the error.
    worst = np.unravel_index(int(np.argmax(error)), error.shape) if error.size else ()
    return Row(
        tap=tap,
        error=float(error[worst]) if error.size else np.nan,
        noise=truth.noise[tap],
        scale=scale,
        limit=(
            criterion.limit(truth.noise[tap], scale)
            if precision is Precision.FLOAT32
            else _rounded_limit(expected, precision)
        ),
        elements=error.size,
        worst=place(worst),
        expected=float(expected[worst]) if error.size else np.nan,
        got=float(got[worst]) if error.size else np.nan,
    )


def _rounded_limit(expected: Floats, precision: Precision) -> float:
    spread = float(np.max(np.abs(expected - expected.mean(axis=0)), initial=0.0))
    assert precision.spec.logit_tolerance is not None  # not of float32
    return precision.spec.logit_tolerance * spread


def counted(output: Floats, frames: NDArray[np.bool_]) -> Floats:
    """The part of an output that counts, as float64.

    `frames` (N, T) selects the frames of states (N, T, d) and the queries of attention weights
    (N, heads, T, T); positions (1, T, d) and what comes after the last frame is picked (N, d) count
    whole.
    """
    by_frame = _by_frame(output, frames)
    output = output.swapaxes(1, 2) if output.ndim == 4 else output
    return (output[frames] if by_frame else output).astype(np.float64)


def _by_frame(output: Floats, frames: NDArray[np.bool_]) -> bool:
    states = output.ndim == 3 and output.shape[:2] == frames.shape
    return states or (output.ndim == 4 and output.shape[::2] == frames.shape)


def _place(
    output: Floats, frames: NDArray[np.bool_], counted: Sequence[np.intp]
) -> tuple[int, ...]:
    """The index in `output` of an element that `counted` gives the index of."""
    index = [int(i) for i in counted]
    if index and _by_frame(output, frames):
        index[:1] = (int(i) for i in np.argwhere(frames)[index[0]])
    if output.ndim == 4:
        index[1:3] = index[2:0:-1]
    return tuple(index)


def largest_difference(a: Floats, b: Floats, frames: NDArray[np.bool_]) -> float:
    """Between two outputs, over the frames that count."""
    return float(np.max(_difference(counted(a, frames), counted(b, frames)), initial=0.0))


def _difference(a: Floats, b: Floats) -> Floats:
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, which fails
        return np.abs(a - b)


class Comparison:
    """Gathers a verdict on every tap of `truth` as a candidate's outputs come in.

    `wrong` keeps the outputs that failed, for a search of the cause.
    """

    def __init__(
        self,
        truth: Truth,
        taps: Sequence[str],
        frames: NDArray[np.bool_],
        precision: Precision = Precision.FLOAT32,
        criterion: Criterion = RUN,
    ) -> None:
        self._truth, self._taps, self._frames = truth, taps, frames
        self._precision, self._criterion = precision, criterion
        self._rows: dict[str, Row] = {}
        self.wrong: dict[str, Floats] = {}

    def record(self, tap: str, output: Floats) -> None:
        """Judge one output; taps that the reference does not have are passed over."""
        if tap in self._taps:
            how = self._precision, self._criterion
            row = compare(tap, output, self._truth, self._frames, *how)
            self._rows[tap] = row
            if row.elements and not row.passed:
                self.wrong[tap] = output

    def rows(self) -> tuple[Row, ...]:
        """A row a tap, in the order of the reference's run; without output it is a failed one."""
        return tuple(self._rows.get(tap) or absent(tap) for tap in self._taps)


def absent(tap: str) -> Row:
    """The row of a tap of which nothing was compared."""
    return Row(tap, np.inf, np.nan, np.nan, 0.0, 0, (), np.nan, np.nan)
