"""JSON from strangers: one object of plain data, no key of it twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from signbart_port.errors import PortError, printable
from signbart_port.untrusted.text_file import read_text

_DEEPEST = 32


def load(path: Path, text: str | None = None) -> dict[str, Any]:
    """Return the object in the JSON file `path`, or in `text` if that file's text is already at
    hand.

    Raises PortError for anything else, for keys that repeat, for numbers that are not finite, and
    for nesting deeper than 32.
    """
    text = read_text(path, "JSON") if text is None else text

    def refuse(what: str, hint: str = "") -> NoReturn:
        raise PortError(path, what, hint) from None

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in pairs:
            if key in made:
                refuse(f"has the key {printable(key)!r} twice", "Keep one")
            made[key] = value
        return made

    def constant(name: str) -> NoReturn:
        refuse(f"has {name}, which is no number of JSON")

    try:
        content = json.loads(
            text.removeprefix("\ufeff"), object_pairs_hook=members, parse_constant=constant
        )
    except json.JSONDecodeError as error:
        refuse(f"line {error.lineno}: is not valid JSON: {error.msg}")
    except (RecursionError, ValueError) as error:  # deep nesting, a number without end
        refuse(f"cannot be read as JSON: {printable(error)}")
    if not isinstance(content, dict):
        refuse("expected an object of keys and values", "Is it the right file?")
    if _depth(content) > _DEEPEST:
        refuse(f"nested deeper than {_DEEPEST} levels")
    return content


def _depth(value: Any) -> int:
    """Return how many objects and lists stand inside one another."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [
            inner for item in level for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return depth
