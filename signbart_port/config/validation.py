"""The findings of pydantic, in words for the user."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from signbart_port.errors import printable


def problems(error: ValidationError) -> str:
    """Return pydantic's findings on one line, missing keys together."""
    missing = [str(e["loc"][0]) for e in error.errors() if e["type"] == "missing"]
    wrong = [
        f"{'.'.join(map(str, e['loc'])) or 'config'}: {e['msg'].removeprefix('Value error, ')}"
        + (f", got {_shown(e['input'], e['type'])}" if e["loc"] else "")
        for e in error.errors()
        if e["type"] != "missing"
    ]
    return "; ".join(([f"missing {', '.join(missing)}"] if missing else []) + wrong)


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
