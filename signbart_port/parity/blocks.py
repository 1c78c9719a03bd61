"""The outputs of a run by block of the model, as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf

from signbart_port.parity.compare import Row
from signbart_port.parity.report import Report

UNMATCHED = "unmatched"
"""In place of an error: there is no such output, or it has another shape."""


def block_of(module: str) -> str:
    """Return the block of a module: `encoder.layers.0` for `encoder.layers.0.fc1`, as its first
    number ends it; `decoder` for `decoder.embed_positions`, which has none."""
    parts = module.split(".")
    first = next((n for n, part in enumerate(parts) if part.isdigit()), 0)
    return ".".join(parts[: first + 1])


def by_block(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return the rows of each block, both in the order of the run."""
    blocks: dict[str, list[Row]] = {}
    for row in rows:
        blocks.setdefault(block_of(row.module), []).append(row)
    return blocks


def head(report: Report) -> tuple[str, ...]:
    """Return the names of the figures of `table`, and of the verdict after them."""
    return ("error", "reference", "limit", *(["alone"] if report.isolated else []), "verdict")


def table(report: Report, every_module: bool = False) -> Iterator[tuple[str, ...]]:
    """Yield a line for each block, or for every module: its name, the figures of its worst output
    (`UNMATCHED` where that cannot be compared), and the verdict."""
    alone = {row.tap: row for row in report.isolated}
    rows_of = {row.tap: [row] for row in report.rows} if every_module else by_block(report.rows)
    for name, rows in rows_of.items():
        worst = max(rows, key=strain)
        isolated = [alone[row.tap] for row in rows if row.tap in alone]
        figures = [UNMATCHED, "", ""]
        if worst.elements:
            figures = [f"{figure:.1e}" for figure in (worst.error, worst.noise, worst.limit)]
        if alone:
            figures.append(f"{max(isolated, key=strain).error:.1e}" if isolated else "")
        yield name, *figures, report.word((*rows, *isolated))


def strain(row: Row) -> float:
    """Return the error of a row as a share of its limit; infinite if a number or the output is
    missing."""
    share = row.error / row.limit if row.limit else inf if row.error else 0.0
    return share if row.passed or share > 1 else inf
