"""The engine knows no model: what `transfer` and `parity` import."""

from __future__ import annotations

import ast
from importlib import resources
from pathlib import Path

import pytest

PACKAGE = Path(str(resources.files("signbart_port")))
ENGINE = ("transfer", "parity")
KNOWS_NO_MODEL = {"checkpoint", "errors", "parity", "system", "transfer", "untrusted"}
MODULES = sorted(path for room in ENGINE for path in (PACKAGE / room).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it, for type checkers too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_the_engine_imports_nothing_of_signbart(path: Path) -> None:
    names = imported(path)
    rooms = {name.split(".")[1] for name in names if name.startswith("signbart_port.")}
    assert rooms <= KNOWS_NO_MODEL
    assert not any(name.startswith("pt_reference") for name in names)


def test_every_file_of_the_engine_is_looked_at() -> None:
    names = {path.relative_to(PACKAGE).as_posix() for path in MODULES}
    assert {"transfer/suggest/draft.py", "parity/workers/torch_run.py", "parity/pair.py"} <= names
    assert "signbart_port.parity.pair.Pair" in imported(PACKAGE / "parity" / "proof.py")
