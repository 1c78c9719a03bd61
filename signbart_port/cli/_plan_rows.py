"""Rows that plans of all models have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signbart_port.transfer import Finding, Transfer

_MOST_SHOWN = 6  # findings


def sentences(findings: Sequence[Finding], show_all: bool) -> list[str]:
    """Return a line for each finding, layers folded; of many the first, unless all are shown."""
    from signbart_port import transfer

    said = [finding.sentence() for finding in transfer.gathered(findings)]
    if show_all or len(said) <= _MOST_SHOWN:
        return said
    return [*said[:_MOST_SHOWN], f"and {len(said) - _MOST_SHOWN} more: --all shows them"]


def finding(one: Finding) -> dict[str, str]:
    """Return a finding as JSON has it."""
    return {
        "code": one.code.name,
        "name": one.name,
        "what": one.code.value,
        "detail": one.detail,
    }


def folded_transfers(transfers: Sequence[Transfer]) -> list[str]:
    """Return a line for each set of transfers that differ only in their layer."""
    from signbart_port.transfer.folding import folded, template

    alike: dict[tuple[Any, ...], tuple[list[str], list[int | None]]] = {}
    for t in transfers:
        keras, number = template(t.keras)
        key = (keras, _size(t.torch_shape), _size(t.keras_shape), t.op.name)
        names, numbers = alike.setdefault(key, ([], []))
        names.append(t.torch)
        numbers.append(number)
    return [
        f"{_one(names)} {before} -> {folded(keras, numbers)} {after}"
        + (f", {op}" if op != "identity" else "")
        for (keras, before, after, op), (names, numbers) in alike.items()
    ]


def _one(names: Sequence[str]) -> str:
    """Join names into one if they differ in one number, wherever it stands; otherwise into a
    list."""
    from signbart_port.transfer.folding import folded

    parts = [re.split("([0-9]+)", name) for name in names]
    differing = [i for i, same in enumerate(zip(*parts, strict=False)) if len(set(same)) > 1]
    if len(set(map(len, parts))) > 1 or len(differing) != 1 or differing[0] % 2 == 0:
        return ", ".join(names)
    number = differing[0]
    shared = "".join(parts[0][:number]), "".join(parts[0][number + 1 :])
    return folded(shared, [int(part[number]) for part in parts])


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"
