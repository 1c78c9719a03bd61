"""Rehearse a release: python tools/release.py [--python python3.12]... [--tests]

Builds what is committed into `dist/` and checks it as an upload would. Then installs, for each
Python, the wheel into a clean environment and the source distribution in its stead, and runs
`smoke.py` with both. Exits 1 where anything failed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

import smoke
from clean_environment import CleanEnvironment, Installed

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
CONSTRAINTS = ROOT / "constraints.txt"
EXTRA = "convert"
"""What the commands of smoke.py need."""
TESTS = ("-m", "pytest", "-n", "3", "--dist", "loadfile", "-m", "not release")


@dataclass(frozen=True)
class Row:
    """What became of one distribution under one Python."""

    python: str
    what: str
    installed: Installed
    outcome: str
    passed: bool


def build() -> tuple[Path, Path]:
    """Build the source distribution of what is committed, and the wheel from it; return both."""
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True)
    with tempfile.TemporaryDirectory() as tree:
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as content:
            content.extractall(tree, filter="data")
        _python("build", "--outdir", DIST, tree)
    (sdist,), (wheel,) = DIST.glob("*.tar.gz"), DIST.glob("*.whl")
    _python("twine", "check", "--strict", sdist, wheel)
    return sdist, wheel


def _python(module: str, *arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], check=True, stdout=sys.stderr)


def rows(python: str, sdist: Path, wheel: Path, tests: bool) -> Iterator[Row]:
    """Install both distributions under a Python, one after the other, and use them."""
    with tempfile.TemporaryDirectory() as temp:
        environment = CleanEnvironment.create(Path(temp, "environment"), python)
        name = environment.site_packages.parent.name
        for what, distribution in (("wheel", wheel), ("sdist", sdist)):
            environment.run("python", "-m", "pip", "uninstall", "-y", "signbart-port", cwd=DIST)
            installed = environment.install(f"{distribution}[{EXTRA}]", constraints=CONSTRAINTS)
            yield Row(name, what, installed, *commands(environment))
        if tests:
            tree = unpacked(sdist, Path(temp))
            installed = environment.install("--editable", f"{tree}[dev]", constraints=CONSTRAINTS)
            yield Row(name, "tests", installed, *suite(environment, tree))


def unpacked(sdist: Path, folder: Path) -> Path:
    """Unpack a source distribution into a folder, and return the tree."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return folder / sdist.name.removesuffix(".tar.gz")


def commands(environment: CleanEnvironment) -> tuple[str, bool]:
    """Run the commands of smoke.py up to one that fails; return how far they came."""
    passed = 0
    for step in smoke.steps(environment):
        if not step.passed:
            print(step.output, file=sys.stderr)
            return f"{passed} commands ran, {step.name} failed", False
        passed += 1
    return f"all {passed} commands ran", True


def suite(environment: CleanEnvironment, tree: Path) -> tuple[str, bool]:
    """Run the tests in a tree; return pytest's last line."""
    done = environment.run("python", *TESTS, cwd=tree)
    if done.returncode:
        print(done.stdout, done.stderr, file=sys.stderr)
    return done.stdout.strip().rpartition("\n")[2], done.returncode == 0


def main() -> None:
    """Build, install and use the distributions, and print a table."""
    parser = argparse.ArgumentParser(description="Rehearse a release.")
    parser.add_argument("--python", action="append", help="a Python; the one that runs this")
    parser.add_argument("--tests", action="store_true", help="run the sdist's tests as well")
    options = parser.parse_args()
    if DIST.exists() and any(DIST.iterdir()):
        sys.exit("release: dist/ is not empty. Remove what is there")
    distributions = build()
    table = Table("Python", "installed", "seconds", "MiB added", "outcome", box=box.SIMPLE_HEAD)
    passed = True
    for python in options.python or [sys.executable]:
        try:
            for row in rows(python, *distributions, tests=options.tests):
                took = row.installed
                numbers = f"{took.seconds:.0f}", f"{took.mebibytes:.0f}"
                table.add_row(row.python, row.what, *numbers, row.outcome)
                passed &= row.passed
        except (OSError, subprocess.CalledProcessError) as error:
            table.add_row(python, "", "", "", getattr(error, "stderr", None) or str(error))
            passed = False
    Console(highlight=False).print(table)
    sys.exit(not passed)


if __name__ == "__main__":
    main()
