"""A rehearsal of a release fails where an installation, a command or the tests fail."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import release
import smoke
from clean_environment import CleanEnvironment, Installed

PROGRAM = """\
#!/bin/sh
echo "ran $*"
case "$*" in {failing}*) echo "it went wrong" >&2; exit 3;; esac
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the steps copy from the checkout, without a word in any file; no Node.js."""
    for name in ("samples/synthetic-signs.pth", "samples/clips.npz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "demo_output").mkdir()
    for name in ("model.h5", "model.tflite"):
        (tmp_path / "demo_output" / name).touch()
    monkeypatch.setattr(smoke, "ROOT", tmp_path)
    monkeypatch.setattr("shutil.which", lambda name: None)
    return tmp_path


def environment(folder: Path, failing: str) -> CleanEnvironment:
    """Make an environment whose programs print their words, and fail where these begin so."""
    (folder / "bin").mkdir()
    for name in ("python", "signbart-port"):
        (folder / "bin" / name).write_text(PROGRAM.format(failing=failing))
        (folder / "bin" / name).chmod(0o755)
    return CleanEnvironment(folder)


def test_every_command_runs_where_none_fails(checkout: Path) -> None:
    count = 1 + len(smoke.COMMANDS)
    assert release.commands(environment(checkout, "no")) == (f"all {count} commands ran", True)


@pytest.mark.parametrize(
    ("failing", "outcome"),
    [
        ("/", "0 commands ran, tools/demo.py failed"),
        ("plan", "3 commands ran, plan model.pth failed"),
    ],
)
def test_none_runs_after_one_that_fails(checkout: Path, failing: str, outcome: str) -> None:
    assert release.commands(environment(checkout, failing)) == (outcome, False)


def test_the_smoke_test_says_what_failed_and_how(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment(checkout, "plan")
    monkeypatch.setattr(sys, "argv", ["smoke.py", str(checkout)])
    with pytest.raises(SystemExit) as end:
        smoke.main()
    assert end.value.code == "ran plan model.pth\nit went wrong\n\nsmoke: plan model.pth failed"
    assert "predict" not in capsys.readouterr().out


def row(passed: bool) -> release.Row:
    return release.Row("python", "wheel", Installed(1.5, 12), "outcome", passed)


def refused() -> Iterator[release.Row]:
    yield row(True)
    raise subprocess.CalledProcessError(1, ["pip"], stderr="no such package")


@pytest.mark.parametrize(
    ("rows", "code", "says"),
    [
        (lambda: iter([row(True), row(True)]), False, "outcome"),
        (lambda: iter([row(True), row(False)]), True, "outcome"),
        (refused, True, "no such package"),
    ],
)
def test_the_exit_code_is_that_of_all_rows(
    rows: object,
    code: bool,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(release, "DIST", tmp_path)
    monkeypatch.setattr(release, "build", lambda: (tmp_path, tmp_path))
    monkeypatch.setattr(release, "rows", lambda *given, **named: rows())  # type: ignore[operator]
    monkeypatch.setattr(sys, "argv", ["release.py"])
    with pytest.raises(SystemExit) as end:
        release.main()
    assert end.value.code is code and says in capsys.readouterr().out


def test_distributions_of_before_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old.whl").touch()
    monkeypatch.setattr(release, "DIST", tmp_path)
    monkeypatch.setattr(sys, "argv", ["release.py"])
    with pytest.raises(SystemExit, match="not empty"):
        release.main()
