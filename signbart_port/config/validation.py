"""The findings of pydantic, in words for the user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from signbart_port.errors import first_of, printable


def problems(
    error: ValidationError, passed_over: Sequence[str] = (), *, whole: str = "config"
) -> tuple[str, str]:
    """Return pydantic's findings on one line, missing keys together and one finding for each other
    key, and what can be done: a missing key may be one of the unknown keys, `passed_over`. What
    several keys contradict is said of the `whole`."""
    missing, wrong = list[str](), dict[str, list[str]]()
    errors = error.errors()
    inside = {e["loc"][0] for e in errors if len(e["loc"]) > 1}
    for e in errors:
        if len(e["loc"]) == 1 and e["loc"][0] in inside:
            continue  # what follows from its items
        key = ".".join(map(str, e["loc"])) or whole
        if e["type"] == "missing":
            missing.append(key)
            continue
        got = f", got {_shown(e['input'], e['type'])}" if e["loc"] else ""
        said = f"{key}: {e['msg'].removeprefix('Value error, ')}{got}"
        wrong.setdefault(key.partition(".")[0], []).append(said)
    found = [f"missing {', '.join(missing)}"] if missing else []
    for first, *more in wrong.values():
        found.append(f"{first} (and {len(more)} more)" if more else first)
    remedy = f"Is it one of the unknown keys? Rename it: {first_of(passed_over, _MOST)}"
    return "; ".join(found), remedy if missing and passed_over else ""


_MOST = 8  # keys that are named
_QUOTED = ("int_type", "float_type", "bool_type")


def _shown(value: Any, problem: str) -> str:
    """Return a wrong value as messages show it: text that should be a number is said to be text."""
    shown = printable(value, 60)
    if not isinstance(value, str) or problem not in _QUOTED:
        return shown
    remedy = ": remove the quotes" if _would_do(value, problem) else ""
    return f"the text {shown!r}{remedy}"


def _would_do(text: str, problem: str) -> bool:
    """Return whether the text is of the wanted type where it stands without quotes."""
    if problem == "bool_type":
        return text in ("true", "false")
    try:
        float(text) if problem == "float_type" else int(text)
    except ValueError:
        return False
    return True
