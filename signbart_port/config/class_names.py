"""The names of a model's classes, as configs of the Hugging Face hub keep them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

from signbart_port.errors import printable

_LONGEST = 200
_MOST = 1_000_000
_NUMBER = re.compile("0|[1-9][0-9]{0,5}")
_NOT_IN_A_LINE = ("Cc", "Cs", "Zl", "Zp")  # controls, halves of characters, line separators
USABLE = f"A label is one line of text, of 1 to {_LONGEST} characters"


def usable(name: str) -> bool:
    """Return whether a class can have this name: a short line of text."""
    return 0 < len(name) <= _LONGEST and not any(
        unicodedata.category(c) in _NOT_IN_A_LINE for c in name
    )


def of_hub(id2label: Any, label2id: Any) -> tuple[str, ...] | None:
    """Return the names in a config's two maps, that of class i at index i; None where both are
    absent.

    Raises ValueError with a message for the user.
    """
    if id2label is None:
        return None if label2id is None else _in_order("label2id", _turned(label2id))
    names = _in_order("id2label", id2label)
    if label2id is not None:
        for name, number in _items("label2id", label2id):
            place = _place("label2id", number)
            if place >= len(names) or names[place] != name:
                own = f'"{printable(names[place], 40)}"' if place < len(names) else "absent"
                shown = printable(name, 40)
                raise ValueError(
                    f'label2id has "{shown}" as class {place}, which is {own} in id2label'
                )
    return names


def repeated(names: tuple[str, ...]) -> str:
    """Return a sentence on names that several classes have, or nothing."""
    twice = [f'"{printable(name, 40)}"' for name, count in Counter(names).items() if count > 1]
    if not twice:
        return ""
    return f"several classes have the same name: {', '.join(twice[:5])}" + (
        f" and {len(twice) - 5} more" if len(twice) > 5 else ""
    )


def _turned(label2id: Any) -> dict[Any, Any]:
    turned: dict[Any, Any] = {}
    for name, number in _items("label2id", label2id):
        place = _place("label2id", number)
        if place in turned:
            raise ValueError(f"label2id gives two names to the class {place}")
        turned[place] = name
    return turned


def _in_order(key: str, names: Any) -> tuple[str, ...]:
    """Return the names in a map from numbers, or in a list."""
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    by_place: dict[int, str] = {}
    for number, name in _items(key, names):
        place = _place(key, number)
        if place in by_place:
            raise ValueError(f"{key} has the class {place} twice")
        if not isinstance(name, str) or not usable(name):
            raise ValueError(f"{key} has the unusable name {printable(name, 40)!r}")
        by_place[place] = name
    missing = next((place for place in range(len(by_place)) if place not in by_place), None)
    if missing is not None:
        raise ValueError(f"{key} has {len(by_place)} names, but none for the class {missing}")
    return tuple(by_place[place] for place in range(len(by_place)))


def _items(key: str, names: Any) -> list[tuple[Any, Any]]:
    if not isinstance(names, Mapping) or not names:
        raise ValueError(f"{key} is no map of names, but {printable(names, 40)}")
    return list(names.items())


def _place(key: str, number: Any) -> int:
    if type(number) is int and 0 <= number < _MOST:
        return number
    if isinstance(number, str) and _NUMBER.fullmatch(number):
        return int(number)
    raise ValueError(f"{key} has {printable(number, 40)!r} where the number of a class should be")
