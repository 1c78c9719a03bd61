"""Run inputs from the wild, and hold each against what is right.

    python tools/run_cases.py FOLDER [NAME ...]

FOLDER has a folder a case, whose README.md names the command ("In this folder: `...`"). What is
right is written in tools/cases/*.yaml: the exit code, what the output says and never says, and the
files that are there afterwards. A command runs in a copy of its folder. Exits with 1 if one is
wrong or has no entry.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from signbart_port.untrusted import strict_yaml

EXPECTATIONS = Path(__file__).parent / "cases"
SECONDS = 300


@dataclass(frozen=True)
class Expected:
    """What is right for a case."""

    exit: int
    says: tuple[str, ...] = ()  # substrings of what it prints, line breaks read as spaces
    never: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()  # every file that is new afterwards; none on an exit code but 0


def expectations() -> dict[str, Expected]:
    """Read every entry of tools/cases/*.yaml."""
    found: dict[str, Expected] = {}
    for path in sorted(EXPECTATIONS.glob("*.yaml")):
        for name, entry in strict_yaml.load(path).items():
            if name in found:
                raise ValueError(f"{path}: {name} has an entry already")
            lists = {key: tuple(value) for key, value in entry.items() if key != "exit"}
            found[name] = Expected(entry["exit"], **lists)
    return found


def command_of(case: Path) -> str:
    """Return the command that the README of a case names."""
    named = re.search(r"In this folder: `(.+?)`", (case / "README.md").read_text())
    if named is None:
        raise ValueError(f"{case.name}: its README.md names no command")
    return named[1]


def wrongs(case: Path, expected: Expected) -> Iterator[str]:
    """Run a case in a copy of its folder, and yield what is not as expected."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(shutil.copytree(case, Path(scratch) / "case"))
        before = set(_files(folder))
        run = subprocess.run(
            ["bash", "-c", command_of(case)],
            cwd=folder,
            env=os.environ | {"PATH": programs, "COLUMNS": "1000"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        new = set(_files(folder)) - before
    printed = _joined(run.stdout + run.stderr)
    if run.returncode != expected.exit:
        yield f"exit {run.returncode}, not {expected.exit}: {printed[-300:]}"
    yield from (f"does not say {text!r}" for text in expected.says if _joined(text) not in printed)
    yield from (f"says {text!r}" for text in expected.never if _joined(text) in printed)
    yield from (f"{name} is not there" for name in expected.writes if name not in new)
    if expected.exit:
        yield from (f"left {name}" for name in sorted(new) if not name.endswith(_MADE))


_MADE = ("model.pth", "model.yaml")  # by a case's own `make.py`


def _joined(text: str) -> str:
    """Return text on one line, as tables and terminals break and fill it anyhow."""
    return " ".join(text.split())


def _files(folder: Path) -> Iterator[str]:
    return (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="these cases, or all that begin so")
    arguments = parser.parse_args()
    right = expectations()
    chosen = tuple(arguments.names or ("c2-",))
    cases = [path for path in sorted(arguments.folder.iterdir()) if path.name.startswith(chosen)]
    if not cases:
        parser.error(f"{arguments.folder} has none of these cases")
    console = Console(highlight=False)
    table = Table("case", "verdict", "what is wrong")
    failed = 0
    for case in track(cases, "Running", console=Console(stderr=True)):
        entry = right.get(case.name)
        found = ["no entry in tools/cases"] if entry is None else list(wrongs(case, entry))
        failed += bool(found)
        table.add_row(case.name, "WRONG" if found else "right", "\n".join(found))
    console.print(table)
    console.print(f"{len(cases) - failed} of {len(cases)} right")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
