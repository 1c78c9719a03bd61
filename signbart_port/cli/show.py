"""How results look to a person: tables on stdout, steps on stderr."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from signbart_port.errors import printable
from signbart_port.parity.compare import Row
from signbart_port.parity.report import Report

_LONGEST = 10_000  # characters of a line
out = Console(highlight=False, soft_wrap=True)


@contextmanager
def steps(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A function that shows the current step on stderr, while stderr itself is held back."""
    with os.fdopen(os.dup(2), "w") as stderr:
        console = Console(file=stderr, highlight=False, quiet=quiet)
        with console.status("Starting") as status:
            yield lambda step: status.update(escape(step))


def warn(message: str) -> None:
    """Loud, on stderr, whatever else is silenced."""
    Console(stderr=True, highlight=False).print(f"[bold yellow]{message}[/]", soft_wrap=True)


def as_json(data: dict[str, Any]) -> None:
    """Print strict JSON: what is not finite becomes null."""
    print(json.dumps(_finite(data), indent=2, default=str, allow_nan=False))


def facts(rows: Sequence[tuple[str, str]]) -> None:
    """Labelled lines.

    Not a table: digests and paths must survive being copied.
    """
    width = max(len(label) for label, _ in rows)
    for label, text in rows:
        out.print(f"[dim]{label:<{width}}[/]  {escape(printable(text, _LONGEST))}")


def logits(reports: Sequence[Report]) -> None:
    """Comparisons of the logits alone, one a number of frames."""
    first = reports[0]
    table = Table(
        title=f"{_title(first)}: logits of {len(first.clips)} clips, largest error against float64",
        title_justify="left",
    )
    for name in ("frames", "error", "Keras float32", "limit", "same class", "verdict"):
        table.add_column(name, justify="right")
    for report in reports:
        row = report.logits
        table.add_row(
            str(report.frames),
            *(f"{figure:.1e}" for figure in (row.error, row.noise, row.limit)),
            "{} of {}".format(*report.agreement),
            _verdict(report.passed),
        )
    out.print(table)


def parity(report: Report, every_module: bool = False) -> None:
    """The comparison as a table, by block of the model or module by module, and the verdict."""
    table = Table(
        title=f"{_title(report)}: {len(report.clips)} clips of"
        f" {report.frames} frames, largest error against float64",
        title_justify="left",
    )
    table.add_column("module" if every_module else "block", no_wrap=True)
    if not every_module:
        table.add_column("outputs", justify="right")
    for name in ("error", "reference", "limit", "verdict"):
        table.add_column(name, justify="right")
    for name, rows in _blocks(report.rows, every_module).items():
        worst = max(rows, key=_strain)
        cells = [name] if every_module else [name, str(len(rows))]
        figures = (worst.error, worst.noise, worst.limit)
        table.add_row(
            *cells, *(f"{figure:.1e}" for figure in figures), _verdict(all(r.passed for r in rows))
        )
    out.print(table)
    same, of = report.agreement
    colour = "green" if report.passed else "bold red"
    out.print(f"[{colour}]{escape(report.verdict())}[/]; same class for {same} of {of} clips")
    for note in report.notes:
        out.print(f"[dim]{escape(printable(note, _LONGEST))}[/]")


def _title(report: Report) -> str:
    return escape(printable(f"{report.candidate} against {report.reference}"))


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not isfinite(data) else data


def _verdict(passed: bool) -> str:
    return "[green]equal[/]" if passed else "[bold red]WRONG[/]"


def _strain(row: Row) -> float:
    """How close a row is to failing; a NaN is the worst."""
    share = row.error / row.limit if row.limit else float(row.error > 0)
    return share if share == share else float("inf")


def _blocks(rows: Sequence[Row], every_module: bool) -> dict[str, list[Row]]:
    blocks: dict[str, list[Row]] = {}
    for row in rows:
        parts = row.tap.split(".")
        block = ".".join(parts[: 3 if parts[1:2] == ["layers"] else 1])
        blocks.setdefault(row.tap if every_module else block, []).append(row)
    return blocks


def bytes_of(size: int) -> str:
    """A file's size for a person."""
    return f"{size / 1e6:.2f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"
