"""Notes for the user about a checkpoint that was accepted."""

from __future__ import annotations

from collections import Counter
from typing import Any

from signbart_port.errors import printable
from signbart_port.untrusted.tensors import Rounding, Tensor

_UNREAD_PROTOCOL = 4  # from here on, pickles have instructions that torch.load itself refuses


def notes(
    root: dict[Any, Any],
    opened: tuple[str, ...],
    stripped: tuple[str, ...],
    weights: dict[str, Tensor],
    rounded: dict[str, Rounding],
    protocol: int | None,
) -> tuple[str, ...]:
    """Return short sentences: where the weights were found and what was done to them."""
    found: list[str] = []
    if opened:
        epoch = root.get("epoch")
        at = f", epoch {epoch}" if type(epoch) is int else ""
        found.append(f"training container: weights under {' / '.join(opened)}{printable(at)}")
    if stripped:
        found.append(f"prefixes stripped: {', '.join(stripped)}")
    count = Counter(view.dtype for view in weights.values())
    found.extend(
        f"{dtype} upcast to float32, exactly: {count[dtype]} of {len(weights)} tensors"
        for dtype in ("float16", "bfloat16")
        if count[dtype]
    )
    if rounded:
        changed = sum(rounding.changed for rounding in rounded.values())
        largest = max(rounding.largest for rounding in rounded.values())
        found.append(
            f"float64 rounded to float32: {len(rounded)} of {len(weights)} tensors, "
            f"{changed:,} values changed, by at most {largest:.3g}"
        )
    by_view: dict[Tensor, str] = {}
    pairs = ((by_view.setdefault(view, name), name) for name, view in weights.items())
    tied = [f"{first} = {name}" for first, name in pairs if first != name]
    if tied:
        found.append(f"tied tensors: {printable(', '.join(tied))}")
    if protocol is not None and protocol >= _UNREAD_PROTOCOL:
        found.append(f"pickle protocol {protocol}: torch.load(weights_only=True) does not read it")
    return tuple(found)
