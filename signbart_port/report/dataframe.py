"""Results as tables of pandas, which is imported here alone."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import TYPE_CHECKING, Any

from signbart_port.errors import PortError
from signbart_port.evaluation.result import Evaluation
from signbart_port.parity.blocks import block_of, strain
from signbart_port.parity.report import Report

if TYPE_CHECKING:
    from pandas import DataFrame


def dataframe(result: Report | Evaluation) -> DataFrame:
    """Return a line for each output of a proof, or for each model of an evaluation.

    Raises PortError if pandas is not installed.
    """
    try:
        from pandas import DataFrame
    except ModuleNotFoundError as error:
        if error.name != "pandas":
            raise
        what = "a table needs pandas, which is not installed"
        raise PortError(None, what, "Install it: pip install pandas") from None
    if isinstance(result, Report):
        return DataFrame.from_records(list(_outputs(result)), index="output")
    return DataFrame.from_records(list(_models(result)), index="model")


def _outputs(report: Report) -> Iterator[dict[str, Any]]:
    """Yield the figures of each output, in the words of the printed table."""
    alone = {row.tap: row for row in report.isolated}
    in_float64 = {row.tap: row.error for row in report.structure}
    for row in report.rows:
        isolated = alone.get(row.tap)
        yield {
            "output": row.tap,
            "block": block_of(row.module),
            "error": row.error,
            "reference": row.noise,
            "limit": row.limit,
            "share": strain(row),
            "alone": isolated.error if isolated else nan,
            "alone_share": strain(isolated) if isolated else nan,
            "float64": in_float64.get(row.tap, nan),
            "scale": row.scale,
            "elements": row.elements,
            "verdict": report.word([row, *([isolated] if isolated else [])]),
        }


def _models(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    for model in evaluation.models:
        low, high = model.scores.interval
        yield {
            "model": model.model,
            "format": model.format,
            "clips": evaluation.clips,
            "right": model.scores.right,
            "top1": model.scores.top1,
            "low": low,
            "high": high,
            "top5": model.scores.top5,
            "macro_f1": model.scores.macro_f1,
            "parameters": model.parameters,
            "bytes": model.size,
        }
