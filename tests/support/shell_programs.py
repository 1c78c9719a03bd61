"""Shell scripts in place of this program, for the tests of the harness."""

from __future__ import annotations

from pathlib import Path

import pytest

import soak_common


def program(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a shell script stand for the program."""
    (script := folder / "program").write_text(f"#!/bin/bash\n{text}\n")
    script.chmod(0o755)
    monkeypatch.setattr(soak_common, "PROGRAM", script)
