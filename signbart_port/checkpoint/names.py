"""The names of weights: the dict of a container that holds them, and the prefixes that trainers
add.

Pure functions on any dict: the values may be tensors of any framework.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from signbart_port.errors import printable
from signbart_port.untrusted.refusal import Refusal


@dataclass(frozen=True)
class NameRules:
    """The mapping file's rules for the names in a checkpoint."""

    unwrap: tuple[str, ...]  # keys that may hold the state dict: at most one present
    strip_prefixes: tuple[str, ...]  # taken off from the left, repeatedly, in any order


def unwrap(root: dict[Any, Any], rules: NameRules) -> tuple[dict[Any, Any], tuple[str, ...]]:
    """Return the state dict inside `root`, and the container keys opened to reach it.

    If no candidate key holds a dict, `root` is the state dict itself. Raises Refusal if two
    candidates are present.
    """
    opened: tuple[str, ...] = ()
    while True:
        found = [k for k in rules.unwrap if k not in opened and isinstance(root.get(k), dict)]
        if not found:
            return root, opened
        if len(found) > 1:
            both = " and ".join(f'"{printable(key)}"' for key in found)
            raise Refusal(
                f"holds more than one candidate for the weights: {both}",
                "Save the one that is meant into a file of its own",
            )
        root, opened = root[found[0]], (*opened, found[0])


def strip(names: Iterable[str], rules: NameRules) -> dict[str, str]:
    """Return {name: name without its prefixes}, in order.

    Raises Refusal (COLLISION) if two names become one.
    """
    stripped: dict[str, str] = {}
    origin: dict[str, str] = {}
    for name in names:
        short = _without_prefixes(name, rules.strip_prefixes)
        if short in origin:
            first, second = printable(origin[short]), printable(name)
            raise Refusal(
                f'COLLISION: "{first}" and "{second}" both become "{printable(short)}" '
                "without their prefixes",
                "Save one model alone",
            )
        origin[short] = name
        stripped[name] = short
    return stripped


def prefixes(stripped: dict[str, str], rules: NameRules) -> tuple[str, ...]:
    """Return the prefixes that `strip` removed somewhere, in the order of the rules."""
    removed = {name.removesuffix(short) for name, short in stripped.items()}
    return tuple(p for p in rules.strip_prefixes if any(p in part for part in removed))


def _without_prefixes(name: str, candidates: tuple[str, ...]) -> str:
    start = 0  # an index, not shorter and shorter copies: a name may be all prefixes
    while prefix := next((p for p in candidates if p and name.startswith(p, start)), None):
        start += len(prefix)
    return name[start:]
