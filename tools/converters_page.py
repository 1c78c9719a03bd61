"""The page of `converters.py`: its table, what it was made with, and what it does not say."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

from converters_judging import Judged

ROOT = Path(__file__).parents[1]
PACKAGES = ("keras-hub", "keras", "tensorflow", "transformers", "torch", "numpy", "safetensors")
CONVERTERS = ("keras-hub", "keras", "transformers", "zeromodels")
"""What is held against the newest version on PyPI."""
HEAD = (
    "| config | converter | error / rounding | error in float64 | allclose | blamed | cause |",
    "|---|---|---:|---:|---|---|---|",
)


def provenance(python: Path | None, seed: int) -> dict[str, Any]:
    """Return what the figures were made with."""
    versions = {name: version(name) for name in PACKAGES}
    newest: dict[str, str] = {}
    if python:
        code = "from importlib.metadata import version; print(version('zeromodels'))"
        run = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
        versions["zeromodels"] = run.stdout.strip()
        newest = {name: _newest(name) for name in CONVERTERS}
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    today = datetime.now(UTC).date().isoformat()
    stated = {"versions": versions, "newest": newest, "date": today, "commit": commit}
    return {**stated, "seed": seed}


def _newest(package: str) -> str:
    """Return the newest version on PyPI; empty where it cannot be asked."""
    pip = [sys.executable, "-m", "pip", "index", "versions", package]
    said = subprocess.run(pip, capture_output=True, text=True, check=False).stdout
    found = re.match(r"\S+ \((\S+)\)", said)
    return found[1] if found else ""


def page(rows: Sequence[tuple[str, str, Mapping[str, Judged]]], stated: Mapping[str, Any]) -> str:
    """Return the page in Markdown."""
    tables = []
    for family, several in groupby(rows, key=lambda row: row[0]):
        lines = [f"## {family}", "", *HEAD]
        for _, variation, judged in several:
            lines += [_line(variation, name, one) for name, one in judged.items()]
        tables.append("\n".join(lines))
    versions, newest = stated["versions"], stated["newest"]
    packages = ", ".join(f"{name} {number}" for name, number in versions.items())
    same = [name for name, found in newest.items() if found == versions[name]]
    if same:
        packages += f"; of these {', '.join(same)} are the newest on PyPI that day"
    head, made, rest = Path(__file__).with_suffix(".md").read_text().split("\n\n", 2)
    made = textwrap.fill(made.format(packages=packages, **stated), 120, break_on_hyphens=False)
    return "\n\n".join([head, made, rest.format(tables="\n\n".join(tables), **stated)])


def _line(variation: str, converter: str, one: Judged) -> str:
    said = " ".join(one.said.split()).replace("|", "\\|")
    if one.rounding is None or one.structure is None:
        outcome = f"{one.outcome}: {said}" if one.outcome in ("fails", "refused") else said
        return _row(variation, converter, "", "", "", "", outcome)
    accepts = "passes" if one.allclose else "fails"
    module = f"`{one.module}`" if one.module else ""
    ratio, structure = _ratio(one.rounding), f"{one.structure:.1e}"
    if one.outcome == "wrong":
        ratio = f"**{ratio}**"
    cause = ""
    if one.cause:
        cause = f"{one.cause.name}: then {_ratio(one.cause.rounding)} and {one.cause.structure:.1e}"
    return _row(variation, converter, ratio, structure, accepts, module, cause)


def _ratio(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
