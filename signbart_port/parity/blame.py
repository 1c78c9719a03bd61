"""The search for the module that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

from signbart_port.parity.compare import Comparison, Row
from signbart_port.parity.report import Blame, Evidence, Report
from signbart_port.parity.taps import LOGITS, Floats

ModuleInputs = tuple[Floats, ...]
Finder = Callable[[Row, Floats, ModuleInputs | None], str]
"""A search for the cause of a failed row, from the wrong output and the inputs of the module: it
returns a sentence, or nothing. The row is of a module that ran alone, or of the whole model's
logits: its inputs are those of the case, and the last argument is None."""


def find(
    report: Report,
    chained: Comparison,
    alone: Comparison | None,
    structure: Comparison | None,
    finder: Finder | None = None,
    inputs_of: Callable[[str], ModuleInputs | None] | None = None,
    right: Set[str] = frozenset(),
) -> Blame | None:
    """Find the module to blame for a failed proof; None if nothing failed.

    Rows come in the order in which modules end, so the first that fails has no failed module in it.
    One that is wrong when fed the reference's own inputs is wrong itself, or the module in it that
    has a wrong tensor (too little wrong to be seen alone). Where none is, but a tensor differs,
    that tensor's module is, the whole model for one of its own. Where neither is, the first wrong
    output of the run tells; unless its module passed alone, or is one of the `right` ones: then
    what is wrong lies before it, and the module around it is blamed that is wrong and did not, at
    last the whole model. What is too little wrong for float32 is told by the first wrong output in
    float64. `inputs_of` returns what the module of a tap was fed, alone.
    The comparisons are those that the rows of the report come from.
    """
    weights = report.weights
    differing = [tensor.module for tensor in weights.differing] if weights else []
    row = _first_wrong(report, report.isolated)
    if alone and row:
        inside = next((m for m in differing if m.startswith(f"{row.module}.")), None)
        if inside and row.module not in differing:
            return Blame(inside, Evidence.WEIGHTS, row)
        return Blame(row.module, Evidence.ISOLATED, row, _cause(finder, alone, row, inputs_of))
    row = _first_wrong(report, report.rows)
    if differing:
        return Blame(differing[0] or LOGITS, Evidence.WEIGHTS, row)
    if row is not None:
        module = _between(report, row, right) if alone else row.module
        after = "" if module == row.module else _before(report, row)
        return Blame(module, Evidence.CHAINED, row, _of_logits(finder, chained), after)
    row = _first_wrong(report, report.structure)
    if structure and row:
        return Blame(row.module, Evidence.STRUCTURE, row, _of_logits(finder, structure))
    return None


def _first_wrong(report: Report, rows: Sequence[Row]) -> Row | None:
    undecided = report.undecided
    return next((row for row in rows if not row.passed and row not in undecided), None)


def _before(report: Report, row: Row) -> str:
    """Return the tap of the last right output before `row` in the run; "" where there is none."""
    before = report.rows[: report.rows.index(row)]
    return next((one.tap for one in reversed(before) if one.passed), "")


def _between(report: Report, row: Row, right: Set[str]) -> str:
    """Return the innermost module that has `row` in it, is wrong too and has not passed alone."""
    passed = {one.module for one in report.isolated} | right
    wrong = {one.module for one in report.rows if not one.passed} - passed
    path = row.module
    while path and path not in wrong:
        path = path.rpartition(".")[0]
    return path or LOGITS


def _of_logits(finder: Finder | None, comparison: Comparison) -> str:
    logits = next(row for row in comparison.rows() if row.tap == LOGITS)
    return "" if logits.passed else _cause(finder, comparison, logits, None)


def _cause(
    finder: Finder | None,
    comparison: Comparison,
    row: Row,
    inputs_of: Callable[[str], ModuleInputs | None] | None,
) -> str:
    output = comparison.wrong.get(row.tap)
    if finder is None or output is None:
        return ""
    return finder(row, output, inputs_of(row.tap) if inputs_of else None)
