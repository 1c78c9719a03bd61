"""Programs in a fresh interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(__file__).with_name("programs")
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


def run_python(code: str, *arguments: object) -> str:
    """Return what a line or two of Python print, given up after five minutes."""
    return _printed("-c", code, *arguments)


def run_program(name: str, *arguments: object) -> str:
    """Return what a program of the folder `programs` prints, given up after five minutes."""
    return _printed(PROGRAMS / f"{name}.py", *arguments)


@dataclass(frozen=True)
class Ended:
    """The end of a command line."""

    code: int
    printed: str
    imported: frozenset[str]
    """Top-level names of the modules that were imported."""


def run_cli(*arguments: object) -> Ended:
    """Run signbart-port in a process that says what it has imported."""
    *printed, last = run_program("imports_of_cli", *arguments).splitlines()
    ended = json.loads(last)
    return Ended(ended["code"], "\n".join(printed), frozenset(ended["imported"]))


def _printed(*command: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
