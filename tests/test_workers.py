"""Programs are workers, and workers are programs that can be found."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOORS = {  # commands that users type
    *("pt_reference/train.py", "pt_reference/train_loso.py", "signbart_port/__main__.py"),
}
NAME = re.compile(r"(signbart_port|pt_reference)(\.[a-z_0-9]+)+")


def sources() -> Iterator[tuple[str, str]]:
    """Every file of the program, by its path from the top, and its text."""
    for package in ("signbart_port", "pt_reference"):
        for path in (ROOT / package).rglob("*.py"):
            yield path.relative_to(ROOT).as_posix(), path.read_text()


def test_only_workers_and_the_doors_run_as_programs() -> None:
    programs = {path for path, text in sources() if '__name__ == "__main__"' in text}
    workers = {path for path in programs if Path(path).parent.name == "workers"}
    assert programs - workers == DOORS
    assert len(workers) >= 5


def test_every_module_named_by_a_string_is_there() -> None:
    named = {
        node.value
        for path, text in sources()
        if path != "signbart_port/_renamed.py"  # whose names of version 0.1 are there no more
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if NAME.fullmatch(node.value)
    }
    missing = sorted(name for name in named if not find_spec(name))
    assert not missing
    assert sum(".workers." in name for name in named) >= 5
