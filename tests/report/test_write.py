"""The file: named after its format, never in the place of anything else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from signbart_port import PortError
from signbart_port import report as files
from signbart_port.parity.report import Report
from tests.support.running import run_python


@pytest.mark.parametrize("name", ["report", "report.htm", "report.pdf", "model.h5", ".html"])
def test_another_name_is_refused(tmp_path: Path, reports: dict[str, Report], name: str) -> None:
    for refused in (
        lambda: files.check(tmp_path / name, force=True),
        lambda: files.write(tmp_path / name, reports["equal"], force=True),
    ):
        with pytest.raises(PortError, match=r"a report is written as \.html or \.json"):
            refused()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", [True, False])
def test_a_link_to_a_model_is_refused(tmp_path: Path, there: bool) -> None:
    model, link = tmp_path / "model.h5", tmp_path / "report.html"
    if there:
        model.write_bytes(b"the model")
    link.symlink_to(model)
    with pytest.raises(PortError, match=r"report\.html: a report is written as"):
        files.check(link, force=True)


def test_an_input_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text("{}")
    with pytest.raises(PortError, match="is the input"):
        files.check(config, force=True, inputs=[config])


@pytest.mark.parametrize("suffix", [".html", ".json"])
def test_an_existing_report_is_replaced_by_force_alone(
    tmp_path: Path, reports: dict[str, Report], suffix: str
) -> None:
    path = tmp_path / f"report{suffix}"
    path.write_text("the report of yesterday")
    with pytest.raises(PortError, match="exists; give --force"):
        files.write(path, reports["wrong"])
    assert path.read_text() == "the report of yesterday"
    files.write(path, reports["wrong"], force=True)
    text = path.read_text(encoding="utf-8")
    if suffix == ".json":
        assert json.loads(text)["verdict"] == reports["wrong"].verdict()
    else:
        assert text.startswith("<!DOCTYPE html>") and "Not equal" in text
    assert list(tmp_path.iterdir()) == [path]


def test_a_template_engine_is_imported_for_a_page_alone(tmp_path: Path) -> None:
    code = """
import sys
from signbart_port import report
from signbart_port.cli import _show, convert, inspect, tflite, verify
from signbart_port.cli._report_file import ReportFile
ReportFile(None, False, (), True).check()
report.check("report.html", force=False)
print("jinja2" in sys.modules)
"""
    assert run_python(code).split() == ["False"]
