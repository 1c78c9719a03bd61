"""The outputs of a run by block of the model, as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from signbart_port.parity.compare import Row


def block_of(module: str) -> str:
    """Return the block of a module: `encoder.layers.0` for `encoder.layers.0.fc1`, `decoder` for
    `decoder.embed_positions`."""
    parts = module.split(".")
    return ".".join(parts[: 3 if parts[1:2] == ["layers"] else 1])


def by_block(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return the rows of each block, both in the order of the run."""
    blocks: dict[str, list[Row]] = {}
    for row in rows:
        blocks.setdefault(block_of(row.module), []).append(row)
    return blocks


def strain(row: Row) -> float:
    """Return the error of a row as a share of its limit; infinite if a number or the output is
    missing."""
    share = row.error / row.limit if row.limit else inf if row.error else 0.0
    return share if row.passed or share > 1 else inf
