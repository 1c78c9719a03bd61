"""Names of a mapping as Python: strings, variables, functions."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from signbart_port.transfer.mapping import PLACEHOLDER

Key = TypeVar("Key", bound=Hashable)
_TAKEN = frozenset(
    (
        *("backbone", "contextlib", "functools", "hf", "keras", "loader", "math", "np"),
        *("transformers_config", "variables"),
    )
)
_HELPERS = frozenset(
    f"port_{name}" for name in ("concatenated", "split", "stacked", "sum", "tied", "unstacked")
)


def string(text: str) -> str:
    """Return a literal of a text."""
    return f'"{_escaped(text)}"'


def pattern(text: str, of: Callable[[str], str], before: str = "") -> str:
    """Return a literal of a pattern, after the value of the variable `before`, if any: its
    placeholders are the expressions that `of` returns."""
    parts = PLACEHOLDER.split(text)
    written = [
        f"{{{of(part)}}}" if n % 2 else _escaped(part).replace("{", "{{").replace("}", "}}")
        for n, part in enumerate(parts)
    ]
    if before:
        written.insert(0, f"{{{before}}}")
    elif len(parts) == 1:
        return string(text)
    return f'f"{"".join(written)}"'


def variable(placeholder: str) -> str:
    """Return the name of the loop variable of a placeholder."""
    taken = placeholder in _TAKEN or keyword.iskeyword(placeholder)
    return f"{placeholder}_" if taken or placeholder.startswith("keras_") else placeholder


def functions(names: Mapping[Key, str]) -> dict[Key, str]:
    """Return a name of its own for the function of each key, after the text that it has."""
    found: dict[Key, str] = {}
    for key, text in names.items():
        plain = "port_" + re.sub(r"[^0-9A-Za-z_]", "_", text)
        number, unique = 2, plain
        while unique in (*found.values(), *_HELPERS):
            number, unique = number + 1, f"{plain}_{number}"
        found[key] = unique
    return found


def _escaped(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
