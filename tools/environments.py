"""Every verb in clean environments: base, [convert] and [all].

    python tools/environments.py [--only base] [--python python3.12] [--keep FOLDER]

Builds the wheel, installs it with the versions of constraints.txt into new environments outside of
the checkout, and runs every verb in each on the sample. A verb must run where its packages are
installed, and elsewhere name the extra, in one line, with exit code 2 and without a file. Prints a
table; the exit code is 1 where a verb does anything else.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clean_environment import CleanEnvironment, Installed
from signbart_port.system.packages import PACKAGES, brought_by
from verbs_on_sample import COMMANDS, Outcome, expected, outcome, prepare

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = {"base": "", "convert": "convert", "all": "all"}
"""The extra of each environment."""


@dataclass(frozen=True)
class Tried:
    """An environment, and what every verb did in it."""

    name: str
    installed: Installed
    outcomes: tuple[Outcome, ...]


def main() -> int:
    """Try the environments of the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", choices=ENVIRONMENTS, help="default: all three")
    parser.add_argument("--python", default=sys.executable, help="the Python of the environments")
    parser.add_argument("--keep", type=Path, help="a new folder for them, which is not removed")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        wheel = build(folder / "dist")
        sample = prepare(folder / "sample")
        names = asked.only or list(ENVIRONMENTS)
        tried = [try_environment(name, folder, wheel, sample, asked.python) for name in names]
    return show(tried)


def build(folder: Path) -> Path:
    """Build the wheel."""
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"no wheel:\n{done.stderr}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def try_environment(name: str, folder: Path, wheel: Path, sample: Path, python: str) -> Tried:
    """Make an environment, and run every verb in it on a copy of the sample."""
    extra = ENVIRONMENTS[name]
    print(f"{name}: installing", file=sys.stderr)
    environment = CleanEnvironment.create(folder / name, python)
    what = f"{wheel}[{extra}]" if extra else str(wheel)
    installed = environment.install(what, constraints=ROOT / "constraints.txt")
    extras = brought_by(extra) if extra else set()
    work = folder / f"{name}-work"
    shutil.copytree(sample, work)
    outcomes = []
    for command in COMMANDS:
        print(f"{name}: {' '.join(command)}", file=sys.stderr)
        wants = expected(command, lambda module: PACKAGES[module].extra in {"", *extras})
        outcomes.append(outcome(command, wants, work, environment.folder / "bin"))
    return Tried(name, installed, tuple(outcomes))


def show(tried: Sequence[Tried]) -> int:
    """Print the table; return the exit code."""
    table = Table("", *(one.name for one in tried))
    table.add_row("installed, MiB", *(f"{one.installed.mebibytes:,.0f}" for one in tried))
    table.add_row("installation, s", *(f"{one.installed.seconds:.0f}" for one in tried))
    for row in zip(*(one.outcomes for one in tried), strict=True):
        table.add_row(" ".join(row[0].command), *(escape(one.word) for one in row))
    Console(width=160).print(table)
    wrong = list(_wrong(tried))
    print("\n".join(wrong) or "as the table of requirements says")
    return 1 if wrong else 0


def _wrong(tried: Sequence[Tried]) -> Iterator[str]:
    for environment in tried:
        for one in environment.outcomes:
            if one.wrong:
                yield f"{environment.name}: {' '.join(one.command)}: {one.wrong}"


if __name__ == "__main__":
    raise SystemExit(main())
