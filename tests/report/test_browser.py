"""The page in a real browser: silent, as wide as its window, and whole on paper."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from signbart_port import report as files
from signbart_port.parity.report import Report
from tests.support.browser import Browser
from tests.support.report_pages import page_extent


def page(tmp_path: Path, report: Report) -> Path:
    path = tmp_path / "report.html"
    files.write(path, report, force=True)
    return path


@pytest.mark.on_commit("wrong", "weights")
def test_the_console_stays_silent(tmp_path: Path, browser: Browser, report: Report) -> None:
    browser.open(page(tmp_path, report).as_uri())
    assert browser.text("h1")
    assert browser.said() == []


def test_a_script_would_not_run_and_be_heard(
    tmp_path: Path, browser: Browser, reports: dict[str, Report]
) -> None:
    """Were escaping to fail, the page's own policy would still stop it: and this console tells."""
    path = page(tmp_path, reports["equal"])
    script = "<script>document.body.textContent = ''</script></body>"
    path.write_text(path.read_text().replace("</body>", script))
    browser.open(path.as_uri())
    assert browser.text("h1")
    (said,) = browser.said()
    assert "Content Security Policy" in said


@pytest.mark.parametrize("width", [320, 375, 768, 1200])
@pytest.mark.on_commit("320", "1200")
def test_nothing_is_wider_than_the_window(
    tmp_path: Path, browser: Browser, reports: dict[str, Report], width: int
) -> None:
    """With every fold open, and names without a joint to break at."""
    long = "w" * 150
    wrong = reports["wrong"]
    report = replace(
        wrong,
        candidate=f"{long}.h5",
        facts={**wrong.facts, "clips": (long, *wrong.clips[1:])},
        placed=(replace(wrong.placed[0], torch=long, keras=long, rule=long), *wrong.placed[1:]),
        notes=(long,),
    )
    inner, widest = page_extent(browser, page(tmp_path, report), width)
    assert inner == width
    assert width * 0.8 < widest <= width


def test_paper_shows_what_is_folded(
    tmp_path: Path, browser: Browser, reports: dict[str, Report]
) -> None:
    reader = shutil.which("pdftotext")
    if reader is None:
        pytest.skip("no PDF reader is installed: pdftotext")
    report, pdf = reports["equal"], tmp_path / "report.pdf"
    browser.open(page(tmp_path, report).as_uri())
    pdf.write_bytes(base64.b64decode(browser.print_page()))
    text = subprocess.run([reader, "-layout", pdf, "-"], capture_output=True, text=True, check=True)
    printed = re.sub(r"\s", "", text.stdout)
    for tensor in report.placed:
        assert tensor.sha256 in printed and tensor.torch in printed
    for row in report.rows:
        assert row.tap in printed
