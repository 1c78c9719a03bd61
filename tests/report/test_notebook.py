"""Results in a notebook, and saved from one."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree.ElementTree import Element

import html5lib
import pytest

from signbart_port import PortError
from signbart_port.evaluation.result import Evaluation
from signbart_port.parity.blocks import by_block
from signbart_port.parity.report import Report
from signbart_port.report.notebook import fragment
from tests.support.report_pages import poisoned, tag, text_of


def shown(result: Report | Evaluation) -> Element:
    """Parse what a notebook shows. Raises for whatever is not well-formed."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    root: Element = parser.parseFragment(result._repr_html_())
    return root


def test_a_proof_has_its_verdict_and_its_blocks(report: Report) -> None:
    root = shown(report)
    text = text_of(root)
    assert ("✓" if report.passed else "✕") in text
    assert " ".join(report.verdict().split()) in text
    assert f"{report.candidate} against {report.reference}" in text
    head, *rows = ([text_of(cell) for cell in row] for row in root.iter("tr"))
    assert head[0] == "block" and [row[0] for row in rows] == list(by_block(report.rows))
    compared = (*report.rows, *report.isolated)
    assert any(row[-1] == "WRONG" for row in rows) == (not all(row.passed for row in compared))


def test_an_evaluation_has_a_row_a_model(evaluation: Evaluation) -> None:
    root = shown(evaluation)
    assert "6 clips of sets/signs, split test signed by ann, bob" in " ".join(root.itertext())
    _, *rows = ([text_of(cell) for cell in row] for row in root.iter("tr"))
    assert [row[:4] for row in rows] == [
        ["runs/a.h5", "Keras", "4", "66.7%"],
        ["b.tflite", "TFLite int8", "5", "83.3%"],
    ]


def test_nothing_of_it_changes_the_notebook(reports: dict[str, Report]) -> None:
    """Neither a style sheet nor a script, nor what a file says."""
    report = reports["wrong"]
    evil = shown(poisoned(report, kept={"masks", "sha256"}))
    allowed = {"div", "p", "b", "br", "table", "thead", "tbody", "tr", "th", "td", "bdi", "wbr"}
    for element in evil.iter():
        assert tag(element) in allowed | {"DOCUMENT_FRAGMENT"}
        assert set(element.keys()) <= {"style"}
    assert '<script>alert("1")</script>' in text_of(evil)


def test_a_heading_stands_alone_where_nothing_was_compared() -> None:
    html = fragment(heading="a.pth to a.h5: <nothing>")
    assert "a.pth to a.h5: &lt;nothing&gt;" in html and "<table" not in html


@pytest.mark.parametrize("suffix", [".html", ".json"])
def test_it_is_saved_as_by_the_option_report(
    tmp_path: Path, reports: dict[str, Report], evaluation: Evaluation, suffix: str
) -> None:
    path = tmp_path / f"result{suffix}"
    for result, says in ((reports["equal"], "out/model.h5"), (evaluation, "sets/signs")):
        result.save(path, force=True)
        text = path.read_text(encoding="utf-8").replace("<wbr>", "")
        assert says in text
        assert text.startswith("<!DOCTYPE html>") if suffix == ".html" else json.loads(text)
        with pytest.raises(PortError, match="exists"):
            result.save(path)
    assert list(tmp_path.iterdir()) == [path]


def test_another_suffix_is_refused(tmp_path: Path, evaluation: Evaluation) -> None:
    with pytest.raises(PortError, match=r"result\.pdf: a report is written as \.html or \.json"):
        evaluation.save(tmp_path / "result.pdf")
    assert not list(tmp_path.iterdir())
