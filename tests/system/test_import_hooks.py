"""Functions that run once a module is imported."""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from signbart_port.system.import_hooks import when_imported


@pytest.fixture
def late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a module `late_module` that can be imported."""
    file = tmp_path / "late_module.py"
    file.write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    yield file
    sys.modules.pop("late_module", None)


def test_a_module_that_is_only_looked_for_is_still_awaited(late: Path) -> None:
    said = []
    when_imported("late_module", lambda: said.append(sys.modules["late_module"].value))
    assert find_spec("late_module") is not None and said == []
    importlib.import_module("late_module")
    assert said == [1]


def test_an_import_that_fails_is_awaited_again(late: Path) -> None:
    said = []
    when_imported("late_module", lambda: said.append(1))
    text = late.read_text()
    late.write_text("raise ImportError('half')\n")
    with pytest.raises(ImportError, match="half"):
        importlib.import_module("late_module")
    late.write_text(f"{text}# longer than before, so that no bytecode is taken for it\n")
    importlib.invalidate_caches()
    importlib.import_module("late_module")
    assert said == [1]
