"""Notes for the user about a checkpoint that was accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from signbart_port.checkpoint.candidates import Candidate
from signbart_port.errors import printable
from signbart_port.untrusted.tensors import Rounding, Tensor

_MOST_NAMES = 6
_UNREAD_PROTOCOL = 4  # from here on, pickles have instructions that torch.load itself refuses


def notes(
    root: Any,
    taken: Candidate,
    weights: dict[str, Tensor],
    rounded: dict[str, Rounding],
    protocol: int | None,
) -> tuple[str, ...]:
    """Return short sentences: where the weights were found and what was done to them."""
    found: list[str] = []
    if opened := taken.state.keys:
        epoch = root.get("epoch") if type(root) is dict else None
        at = f", epoch {epoch}" if type(epoch) is int else ""
        found.append(printable(f"training container: weights under {' / '.join(opened)}{at}"))
    if taken.stripped:
        found.append(f"prefixes stripped: {printable(', '.join(taken.stripped))}")
    if taken.wrappers:
        found.append(f"names of wrappers stripped inside of names: {', '.join(taken.wrappers)}")
    if taken.masks:
        found.append(
            f"pruned: {len(taken.masks)} weights are weight_orig * weight_mask, as"
            " torch.nn.utils.prune computes them"
        )
    found.extend(_left_out(taken))
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


def _left_out(taken: Candidate) -> Iterator[str]:
    """Name what stands beside the weights in their dict, by reason."""
    reasons: dict[str, list[str]] = {}
    for name, why in taken.left.items():
        reasons.setdefault(why or "not among the weights asked for", []).append(name)
    for why, names in reasons.items():
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        yield f"left out: {printable(', '.join(names[:_MOST_NAMES]))}{more} ({why})"
