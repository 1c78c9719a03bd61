"""Judge a model, or its logits alone, against a reference's outputs on the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from signbart_port.parity.blame import Finder, find
from signbart_port.parity.compare import Comparison, Row, Truth
from signbart_port.parity.counting import Counting
from signbart_port.parity.pair import Case, Pair, Tap
from signbart_port.parity.report import Report, WeightComparison
from signbart_port.parity.taps import LOGITS, Floats
from signbart_port.parity.tolerances import (
    ALONE,
    DOUBT,
    RUN,
    STRUCTURE,
    Criterion,
    Tolerance,
    in_float32,
)

Record = Callable[[str, Floats], None]


@dataclass(frozen=True)
class Call:
    """One call of one of the reference's modules: its path, the number of the call (from 1), the
    taps of its outputs and the files of its inputs."""

    path: str
    number: int
    taps: tuple[str, ...]
    files: tuple[Path, ...]

    def inputs(self) -> tuple[Floats, ...]:
        """Return the inputs of the module in float32 (float64 ones are rounded)."""
        return tuple(np.load(file) for file in self.files)


@dataclass(frozen=True)
class Isolation:
    """A way to run a candidate's modules one by one, on the inputs of the reference's `calls`.

    The `noise` of `truth` is that of the reference's float32 modules, run in the same way.
    """

    truth: Truth
    calls: Sequence[Call]
    run: Callable[[Sequence[Call], Record], object]
    doubtful: Sequence[Call] = ()
    """The calls of modules that may be given something else in the candidate. They are run once a
    proof has failed: what is right then is not to blame."""

    def inputs_of(self, tap: str) -> tuple[Floats, ...] | None:
        """Return what the module of a tap was fed; None where no call has that tap."""
        return next((call.inputs() for call in self.calls if tap in call.taps), None)


def judge(
    pair: Pair,
    case: Case,
    names: tuple[str, str],
    truth: Truth,
    taps: Sequence[str],
    run: Callable[[Record], object],
    tolerance: Tolerance = RUN,
    *,
    config: Any = None,
    layouts: Mapping[str, Tap] | None = None,
    isolation: Isolation | None = None,
    in_float64: Callable[[Record], object] | None = None,
    weights: WeightComparison | None = None,
    finder: Finder | None = None,
    optional: Set[str] = frozenset(),
    structure_tolerance: Tolerance = STRUCTURE,
) -> Report:
    """Run a candidate on a case, comparing every output as it comes, with `truth`.

    `pair` and `config` tell the layout of outputs, unless `layouts` do, and what a report says of
    them. `names` are the
    reference's and the candidate's, `taps` what must be compared, `run` calls its argument with
    each tap of the candidate, the logits among them. `tolerance` is for its run. With `isolation`
    every module is also run alone; `in_float64` runs the candidate in that precision. `finder`
    looks for the cause of a failure. The `optional` taps are left out where the candidate has no
    such output.
    """
    layouts = pair.taps(config) if layouts is None else layouts
    counting = Counting(layouts, case.counted)
    chained = Comparison(truth, taps, counting, tolerance, optional)
    logits: dict[str, Floats] = {}

    def record(tap: str, output: Floats) -> None:
        if tap == LOGITS:
            logits[tap] = output
        chained.record(tap, output)

    run(record)
    alone = None
    if isolation is not None:
        modules = [tap for call in isolation.calls for tap in call.taps]
        alone = Comparison(isolation.truth, modules, counting, ALONE, optional)
        isolation.run(isolation.calls, alone.record)
    structure = None
    if in_float64 is not None:
        structure = Comparison(truth, taps, counting, structure_tolerance, optional)
        in_float64(structure.record)
    exact = {row.tap: row for row in structure.rows()} if structure else {}
    report = Report(
        reference=names[0],
        candidate=names[1],
        rows=_told(chained.rows(), RUN, exact),
        isolated=_told(alone.rows(), ALONE, exact) if alone else (),
        structure=tuple(exact.values()),
        weights=weights,
        facts={**case.facts, **pair.summary(truth.value(LOGITS), logits[LOGITS])},
    )
    if report.passed:
        return report
    inputs_of = isolation.inputs_of if isolation else None
    right = _right(isolation, counting) if isolation else frozenset()
    blame = find(report, chained, alone, structure, finder, inputs_of, right)
    return replace(report, blame=blame)


def _right(isolation: Isolation, counting: Counting) -> frozenset[str]:
    """Return the modules that are right alone, of those that are run after a failure."""
    taps = [tap for call in isolation.doubtful for tap in call.taps]
    comparison = Comparison(isolation.truth, taps, counting, ALONE, {*taps})
    isolation.run(isolation.doubtful, comparison.record)
    rows = comparison.rows()
    wrong = {row.module for row in rows if not row.passed}
    return frozenset(row.module for row in rows) - wrong


def _told(
    rows: Sequence[Row], criterion: Criterion, structure: Mapping[str, Row]
) -> tuple[Row, ...]:
    """Return rows of float32 with those marked that it is too coarse to judge."""

    def undecided(row: Row) -> bool:
        if row.passed or row.tap not in structure:
            return False
        noise = max(row.noise, in_float32(structure[row.tap].error))
        return row.error <= DOUBT * criterion.uncapped(noise, row.scale) < np.inf

    return tuple(replace(row, undecided=undecided(row)) for row in rows)


class Recorded:
    """A truth held in memory: float64 outputs, and how far a float32 run was from them."""

    def __init__(self, values: Mapping[str, Floats], noise: Mapping[str, float]) -> None:
        self._values = values
        self.noise = noise

    def value(self, tap: str) -> Floats:
        return self._values[tap]
