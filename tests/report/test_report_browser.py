"""The page in a real browser: silent, as wide as its window, and whole on paper."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from signbart_port import report as files
from signbart_port.parity.report import Report

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
)
Browse = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def browse(tmp_path: Path) -> Browse:
    """Runs the browser on a page, with flags; its stderr holds what the console says."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser is installed: none of {', '.join(NAMES)}")

    def run(path: Path, *flags: str) -> subprocess.CompletedProcess[str]:
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        return subprocess.run(
            [program, *FLAGS, profile, *flags, path.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )

    return run


def page(tmp_path: Path, report: Report) -> Path:
    path = tmp_path / "report.html"
    files.write(path, report, force=True)
    return path


def console(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


def test_the_console_stays_silent(tmp_path: Path, browse: Browse, report: Report) -> None:
    done = browse(page(tmp_path, report), "--dump-dom")
    assert "<h1>" in done.stdout
    assert console(done) == []


def test_a_script_would_not_run_and_be_heard(
    tmp_path: Path, browse: Browse, reports: dict[str, Report]
) -> None:
    """Were escaping to fail, the page's own policy would still stop it: and this console tells."""
    path = page(tmp_path, reports["equal"])
    script = "<script>document.body.textContent = ''</script></body>"
    path.write_text(path.read_text().replace("</body>", script))
    done = browse(path, "--dump-dom")
    assert "<h1>" in done.stdout
    assert len(console(done)) == 1 and "Content Security Policy" in console(done)[0]


@pytest.mark.parametrize("width", [320, 375, 768, 1200])
def test_nothing_is_wider_than_the_window(
    tmp_path: Path, browse: Browse, reports: dict[str, Report], width: int
) -> None:
    """With every fold open, and names without a joint to break at."""
    long = "w" * 150
    wrong = reports["wrong"]
    report = replace(
        wrong,
        candidate=f"{long}.h5",
        clips=(long, *wrong.clips[1:]),
        placed=(replace(wrong.placed[0], torch=long, keras=long, rule=long), *wrong.placed[1:]),
        notes=(long,),
    )
    page(tmp_path, report)
    # In a frame, as a window of this browser is never narrower than 500 pixels.
    outer = tmp_path / "outer.html"
    outer.write_text(f"""<!DOCTYPE html><title>-</title>
<iframe src="report.html" style="width: {width}px; height: 600px; border: 0"></iframe>
<script>
onload = () => {{
  const inner = document.querySelector("iframe").contentDocument;
  inner.querySelectorAll("details").forEach(fold => fold.open = true);
  const edges = [...inner.body.querySelectorAll("*")].map(e => e.getBoundingClientRect().right);
  document.title = inner.defaultView.innerWidth + " " + Math.max(...edges);
}}
</script>""")
    done = browse(outer, "--dump-dom", "--allow-file-access-from-files")
    found = re.search(r"<title>(\S+) (\S+)</title>", done.stdout)
    assert found is not None, done.stdout[:200]
    inner, widest = map(float, found.groups())
    assert inner == width
    assert width * 0.8 < widest <= width


def test_paper_shows_what_is_folded(
    tmp_path: Path, browse: Browse, reports: dict[str, Report]
) -> None:
    reader = shutil.which("pdftotext")
    if reader is None:
        pytest.skip("no PDF reader is installed: pdftotext")
    report, pdf = reports["equal"], tmp_path / "report.pdf"
    browse(page(tmp_path, report), "--no-pdf-header-footer", f"--print-to-pdf={pdf}")
    text = subprocess.run([reader, "-layout", pdf, "-"], capture_output=True, text=True, check=True)
    printed = re.sub(r"\s", "", text.stdout)
    for tensor in report.placed:
        assert tensor.sha256 in printed and tensor.torch in printed
    for row in report.rows:
        assert row.tap in printed
