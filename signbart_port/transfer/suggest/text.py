"""The lines of a draft, as YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from signbart_port.transfer.mapping import Axis
from signbart_port.transfer.suggest.search import Line

_NAME = re.compile(r"(?!(?:true|false|null)$)[A-Za-z_][\w./-]*", re.ASCII | re.IGNORECASE)


def rule(line: Line) -> str:
    """Return a line of `modules`."""
    entries = {"torch": quoted(line.torch), "keras": quoted(line.keras)}
    entries |= {"kind": plain(line.kind), **line.sizes}
    if line.doubt:
        entries["guess"] = "true"
    return flow(entries) + _comment(line.doubt)


def placeholder(axis: Axis) -> str:
    """Return what a placeholder stands for."""
    if axis.range:
        starts = {"from": axis.start, "keras_from": axis.keras_start}
        return flow({"range": axis.range} | {key: str(n) for key, n in starts.items() if n})
    sides = {"torch": axis.values, "keras": axis.keras}
    return flow({side: f"[{', '.join(map(quoted, names))}]" for side, names in sides.items()})


def flow(entries: Mapping[str, str]) -> str:
    """Return a block on one line."""
    return f"{{{', '.join(f'{key}: {value}' for key, value in entries.items())}}}"


def _comment(text: str) -> str:
    return f"  # {text}" if text else ""


def plain(text: str) -> str:
    """Return a name as it is, in quotes if YAML would read something else."""
    return text if _NAME.fullmatch(text) else quoted(text)


def quoted(text: str) -> str:
    """Return a name in quotes."""
    return json.dumps(text, ensure_ascii=False)
