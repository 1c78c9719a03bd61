"""Results as fragments of HTML for notebooks: a verdict and a table, without a style sheet, which
would change the notebook around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from signbart_port.evaluation.result import Evaluation
from signbart_port.parity import blocks
from signbart_port.parity.report import Report
from signbart_port.report.document import bytes_of
from signbart_port.report.templates import rendered


@dataclass(frozen=True)
class _Table:
    """What a result says, and its figures: the first cell of a row is a name."""

    verdict: str
    passed: bool | None  # None for figures without a verdict
    about: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def fragment(*results: Report | Evaluation, heading: str = "") -> str:
    """Return the HTML of results under a heading. Content from files is escaped."""
    tables = [_of(one) for one in results]
    return rendered("notebook.html.j2", {}, heading=heading, tables=tables)


def _of(result: Report | Evaluation) -> _Table:
    return _of_report(result) if isinstance(result, Report) else _of_evaluation(result)


def _of_report(report: Report) -> _Table:
    same, of = report.agreement
    return _Table(
        report.verdict(),
        report.passed,
        f"{report.candidate} against {report.reference}: {report.inputs},"
        f" largest error against float64{f', same class for {same} of {of}' if of else ''}",
        ("block", *blocks.head(report)),
        tuple(blocks.table(report)),
    )


def _of_evaluation(evaluation: Evaluation) -> _Table:
    return _Table(
        f"{evaluation.clips:,} clips of {evaluation.data}, split {evaluation.split}",
        None,
        _of_signers(evaluation.signers),
        ("model", "format", "right", "top-1", "95 %", "top-5", "macro F1", "parameters", "size"),
        tuple(
            (
                model.model,
                model.format,
                str(model.scores.right),
                f"{model.scores.top1:.1%}",
                "{:.1%} to {:.1%}".format(*model.scores.interval),
                f"{model.scores.top5:.1%}",
                f"{model.scores.macro_f1:.3f}",
                f"{model.parameters:,}",
                bytes_of(model.size),
            )
            for model in evaluation.models
        ),
    )


def _of_signers(signers: Sequence[str]) -> str:
    return f"signed by {', '.join(signers)}" if signers else ""
