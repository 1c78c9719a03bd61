"""Two verdicts: the same in float64, and no further off in float32 than rounding explains."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from signbart_port.parity.pair import Case, Pair
from signbart_port.parity.proof import Call, Isolation, Record, Recorded, judge
from signbart_port.parity.report import Evidence, Report
from signbart_port.parity.taps import LOGITS
from signbart_port.parity.tolerances import DOUBT, EPSILON, RUN, STRUCTURE, in_float32

TAPS = ("first", "second", LOGITS)
VALUES = {tap: np.ones((2, 3)) for tap in TAPS}
NOISE = 1e-7
LIMIT = RUN.limit(NOISE, 1)


def verdict(
    float32: float = 0.0,
    float64: dict[str, float] | None = None,
    alone: float | None = None,
    finder: Callable[..., str] | None = None,
) -> Report:
    """A proof whose logits are off by so much in float32, and each output by so much in float64."""

    def outputs(off: dict[str, float], record: Record) -> None:
        for tap, value in VALUES.items():
            record(tap, value + off.get(tap, 0))

    truth = Recorded(VALUES, dict.fromkeys(TAPS, NOISE))
    calls = [Call(tap, 1, (tap,), ()) for tap in TAPS if tap != LOGITS]
    isolation = Isolation(truth, calls, lambda _, record: outputs({"second": alone or 0}, record))
    return judge(
        Pair(),
        Case("two clips", {}, {}),
        ("a", "b"),
        truth,
        TAPS,
        lambda record: outputs({LOGITS: float32}, record),
        isolation=isolation,
        in_float64=None if float64 is None else lambda record: outputs(float64, record),
        finder=finder,
    )


def test_both_decide() -> None:
    found = verdict(0, {})
    assert found.passed and found.same_structure and not found.undecided
    assert found.verdict() == "equal: 3 outputs within their limits, 2 of them also alone"
    assert found.structure_sentence() == "3 outputs, off by at most 0.0e+00 of their largest value"
    assert [row.tap for row in found.structure] == list(TAPS)
    assert verdict(0, None).same_structure is None


def test_what_float32_cannot_see() -> None:
    asked = []

    def finder(row, output, inputs) -> str:
        asked.append((row.tap, inputs))
        return "another epsilon"

    found = verdict(0, {"second": 1e-9, LOGITS: 1e-9}, finder=finder)
    assert not found.passed and found.same_structure is False
    assert all(row.passed for row in (*found.rows, *found.isolated))
    assert found.blame is not None
    assert (found.blame.module, found.blame.evidence) == ("second", Evidence.STRUCTURE)
    assert found.blame.row == found.structure[1]
    assert found.verdict().startswith("second: the first wrong output in float64; off by 1.00e-09")
    assert found.verdict().endswith("; another epsilon") and asked == [(LOGITS, None)]
    assert found.structure_sentence().startswith("second: off by 1.00e-09")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_number_in_float64(value: float) -> None:
    assert not verdict(0, {"first": value}).passed


def test_where_float32_is_too_coarse() -> None:
    """A little beyond its limit, of what is the same in float64."""
    found = verdict(2 * LIMIT, {})
    assert found.passed and found.blame is None
    assert [row.tap for row in found.undecided] == [LOGITS]
    assert found.verdict() == (
        f"equal in float64; float32 is too coarse for 1 of its outputs: logits is off by"
        f" {2 * LIMIT:.1e}, 2.0 times its limit"
    )
    assert (found.word(found.rows), found.word(found.rows[:1])) == ("not judged", "equal")
    assert found.summary()["undecided"] == [LOGITS]


def test_float32_decides_beyond_doubt() -> None:
    assert not verdict(1.01 * DOUBT * LIMIT, {}).passed
    assert not verdict(2 * LIMIT, None).passed, "without float64 nothing is in doubt"
    found = verdict(2 * LIMIT, {LOGITS: 1e-9})
    assert not found.passed and found.undecided == () and found.word(found.rows) == "WRONG"
    assert found.blame is not None and found.blame.module == LOGITS
    assert not verdict(np.nan, {}).passed
    assert not verdict(0, {}, alone=1e-3).passed


def test_what_rounding_becomes_is_seen_in_float64() -> None:
    """Where PyTorch's own error is small by luck, that of float64 may tell more."""
    off = STRUCTURE.limit(NOISE, 1) / 2
    error = RUN.uncapped(in_float32(off), 1)
    assert error > 10 * DOUBT * LIMIT
    assert verdict(error, {LOGITS: off}).passed
    assert not verdict(error, {}).passed


def test_float64_is_float32_in_small() -> None:
    assert in_float32(2.0**-52) == EPSILON
    assert STRUCTURE.limit(NOISE, 1) < 1e-11


def test_a_report_without_a_run_in_float64_says_so() -> None:
    assert Report("a", "b", rows=()).structure_sentence() == "not compared in float64"
