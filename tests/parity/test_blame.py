"""Whom a failed proof blames, and what it rests on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from signbart_port.parity.pair import Case, Pair
from signbart_port.parity.proof import Call, Isolation, Recorded, judge
from signbart_port.parity.report import Blame, Differing, Evidence, Report, WeightComparison
from signbart_port.parity.taps import LOGITS, module_of

TAPS = ("part.inner", "part", "other[0]", "other[1]", "drop", "drop:2", LOGITS)
CASE = Case("two clips", {}, {})
VALUES = {tap: np.ones((2, 3, 5)) for tap in TAPS} | {LOGITS: np.ones((2, 4))}
NOISE = dict.fromkeys(TAPS, 1e-7)
ONE_WRONG = WeightComparison(
    "", 2, 9, differing=(Differing("part/inner/kernel", "part.inner", 1, 9, 1.0, (0,), 0.0, 1.0),)
)


def verdict(
    run: dict[str, float],
    alone: dict[str, float] | None = None,
    weights: WeightComparison | None = None,
    finder=None,
    between: tuple[str, ...] = (),
    doubtful: tuple[str, ...] = (),
) -> Report:
    """A proof whose outputs are off by so much, in the run and alone; those `between` others did
    not run alone, and the `doubtful` among them do once it has failed."""

    def outputs(off: dict[str, float], record) -> None:
        for tap, value in VALUES.items():
            if off.get(tap, 0) is not None:
                record(tap, value + off.get(tap, 0))

    isolation = None
    if alone is not None:
        truth = Recorded(VALUES, NOISE)
        calls = [Call(module_of(tap), 1, (tap,), ()) for tap in TAPS[:-1] if tap not in between]
        later = [Call(module_of(tap), 1, (tap,), ()) for tap in doubtful]
        isolation = Isolation(truth, calls, lambda _, record: outputs(alone, record), later)
    return judge(
        Pair(),
        CASE,
        ("a", "b"),
        Recorded(VALUES, NOISE),
        TAPS,
        lambda record: outputs(run, record),
        isolation=isolation,
        weights=weights,
        finder=finder,
    )


def test_nothing_is_wrong() -> None:
    report = verdict({}, {}, WeightComparison("", 1, 1))
    assert report.passed and report.blame is None
    assert [row.tap for row in report.isolated] == list(TAPS[:-1])
    assert "also alone" in report.verdict()


@pytest.mark.parametrize(
    ("run", "alone", "weights", "module", "evidence"),
    [
        # The innermost module that is wrong for the right inputs, whatever else is wrong.
        ({"part": 1}, {"part": 1}, None, "part", Evidence.ISOLATED),
        ({}, {"part.inner": 1, "part": 1}, None, "part.inner", Evidence.ISOLATED),
        ({"part.inner": 1}, {"other[1]": 1}, ONE_WRONG, "other", Evidence.ISOLATED),
        ({}, {"drop:2": np.nan}, None, "drop", Evidence.ISOLATED),
        ({}, {"part": None}, None, "part", Evidence.ISOLATED),  # it gave no output
        # The wrong tensor is in it, and does too little to fail its own module.
        ({}, {"part": 1}, ONE_WRONG, "part.inner", Evidence.WEIGHTS),
        # No output shows it, or only later ones do.
        ({}, {}, ONE_WRONG, "part.inner", Evidence.WEIGHTS),
        ({"drop": 1, LOGITS: 1}, {}, ONE_WRONG, "part.inner", Evidence.WEIGHTS),
        # Every module is right alone: what is wrong lies between them.
        ({"drop": 1, LOGITS: 1}, {}, None, LOGITS, Evidence.CHAINED),
        # Modules cannot be run alone.
        ({"drop": 1, LOGITS: 1}, None, None, "drop", Evidence.CHAINED),
        ({LOGITS: np.inf}, None, None, LOGITS, Evidence.CHAINED),
    ],
)
def test_who_is_blamed(run, alone, weights, module: str, evidence: Evidence) -> None:
    report = verdict(run, alone, weights)
    assert not report.passed
    assert report.blame is not None
    assert (report.blame.module, report.blame.evidence) == (module, evidence)
    assert report.verdict().startswith(f"{module}: {evidence.value}")


def test_what_lies_between_modules_is_of_the_one_around_them() -> None:
    wrong = {"part.inner": 1.0, "part": 1.0, LOGITS: 1.0}
    for between, module in (("part",), "part"), (("part", "part.inner"), "part.inner"):
        blame = verdict(wrong, {}, between=between).blame
        assert blame and (blame.module, blame.evidence) == (module, Evidence.CHAINED)
        assert blame.row and blame.row.tap == "part.inner"


def test_what_is_right_alone_after_a_failure_is_not_blamed() -> None:
    wrong, both = {"part.inner": 1.0, "part": 1.0, LOGITS: 1.0}, ("part.inner", "part")
    for alone, module in (
        ({}, LOGITS),
        ({"part": 1.0}, "part"),
        ({"part.inner": 1.0}, "part.inner"),  # wrong, or of another meaning: it stays
        ({"part.inner": None}, "part.inner"),
    ):
        blame = verdict(wrong, alone, between=both, doubtful=both).blame
        assert blame and (blame.module, blame.evidence) == (module, Evidence.CHAINED)
    assert verdict({}, {"part": 1.0}, between=both, doubtful=both).passed


def test_the_last_right_output_is_named_where_what_follows_is_wrong() -> None:
    said = verdict({"drop": 1.0, LOGITS: 1.0}, {}).verdict()
    assert said.endswith("; other[1] before it is right")
    assert "before it" not in verdict({"drop": 1.0}, {}, between=("drop", "drop:2")).verdict()


def test_the_cause_is_sought_where_inputs_are_known() -> None:
    """Of a module that ran alone, else of the logits."""
    asked: list[tuple[str, float]] = []

    def finder(row, output, inputs) -> str:
        asked.append((row.tap, float(output.flat[0])))
        return "because"

    alone = verdict({"part": 1, LOGITS: 2}, {"other[1]": 3}, finder=finder)
    assert asked == [("other[1]", 4)]
    assert alone.verdict().endswith("; because")
    asked.clear()
    verdict({"part": 1, LOGITS: 2}, {}, finder=finder)
    verdict({"part": 1}, None, finder=finder)  # the logits are right: nothing to explain
    verdict({}, {"part": None}, finder=finder)
    assert asked == [(LOGITS, 3)]


def test_missing_weights_fail_without_a_module() -> None:
    report = verdict({}, {}, WeightComparison("", 1, 1, missing=("part/inner/kernel (3, 3)",)))
    assert not report.passed and report.blame is None
    assert report.verdict() == "weights: part/inner/kernel (3, 3) is missing"


def test_a_call_gives_its_inputs(tmp_path: Path) -> None:
    files = []
    for i in range(2):
        files.append(tmp_path / f"{i}.npy")
        np.save(files[-1], np.full((2, 3), i, "f4"))
    first, second = Call("part", 1, ("part",), tuple(files)).inputs()
    assert (first == 0).all() and (second == 1).all()


def test_a_blame_reads_as_one_line() -> None:
    assert Blame("part", Evidence.WEIGHTS).sentence() == f"part: {Evidence.WEIGHTS.value}"
