"""Results as tables of pandas."""

from __future__ import annotations

import sys
from math import nan

import numpy as np
import pytest

from signbart_port import PortError
from signbart_port.evaluation.result import Evaluation
from signbart_port.parity.blocks import by_block
from signbart_port.parity.report import Report
from tests.support.running import run_python


def test_a_proof_has_a_line_for_each_output(report: Report) -> None:
    table = report.to_dataframe()
    assert table.index.name == "output" and [*table.index] == [row.tap for row in report.rows]
    assert [*dict.fromkeys(table["block"])] == [*by_block(report.rows)]
    alone = {row.tap: row.error for row in report.isolated}
    expected = [
        [row.error, row.noise, row.limit, row.elements, alone.get(row.tap, nan)]
        for row in report.rows
    ]
    figures = table[["error", "reference", "limit", "elements", "alone"]]
    np.testing.assert_array_equal(figures, expected)
    assert ((table["share"] <= 1) == [row.passed for row in report.rows]).all()


def test_a_wrong_module_is_wrong_in_its_line(reports: dict[str, Report]) -> None:
    report = reports["wrong"]
    assert report.blame is not None
    verdicts = report.to_dataframe()["verdict"]
    assert verdicts[report.blame.module] == "WRONG"
    assert set(reports["equal"].to_dataframe()["verdict"]) == {"equal"}


def test_an_evaluation_has_a_line_for_each_model(evaluation: Evaluation) -> None:
    table = evaluation.to_dataframe()
    assert [*table.index] == ["runs/a.h5", "b.tflite"]
    assert table["right"].tolist() == [4, 5] and table["clips"].tolist() == [6, 6]
    assert (table["top1"] == table["right"] / table["clips"]).all()
    assert (table["low"] < table["top1"]).all() and (table["top1"] < table["high"]).all()


def test_without_pandas_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, reports: dict[str, Report]
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(PortError, match=r"^a table needs pandas, .* pip install pandas$"):
        reports["equal"].to_dataframe()


def test_pandas_is_imported_for_a_table_alone() -> None:
    code = "import sys; import signbart_port.report.dataframe; print('pandas' in sys.modules)"
    assert run_python(code) == "False\n"
