from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from signbart_port.data.synthetic import writing
from tests.support.small_trainings import Run


@pytest.fixture(scope="session")
def signs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SYNTHETIC dataset: 27 clips of three classes to train on, by three signers, of which 3 are
    set aside; 9 by another one to test."""
    root = tmp_path_factory.mktemp("synthetic") / "signs"
    writing.write(root, signers=4, classes=3, repetitions=3)
    return root


@pytest.fixture
def run_main(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a program's `main` with these arguments: its exit code, and what it prints."""

    def program(main: Callable[[], object], *arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["program", *map(str, arguments)])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capfd.readouterr()
        return code, printed.out, printed.err

    return program
