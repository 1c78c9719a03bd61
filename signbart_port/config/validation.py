"""The findings of pydantic, in words for the user."""

from __future__ import annotations

from pydantic import ValidationError

from signbart_port.errors import printable


def problems(error: ValidationError) -> str:
    """Return pydantic's findings on one line, missing keys together."""
    missing = [str(e["loc"][0]) for e in error.errors() if e["type"] == "missing"]
    wrong = [
        f"{'.'.join(map(str, e['loc'])) or 'config'}: {e['msg'].removeprefix('Value error, ')}"
        + (f", got {printable(e['input'], 60)}" if e["loc"] else "")
        for e in error.errors()
        if e["type"] != "missing"
    ]
    return "; ".join(([f"missing {', '.join(missing)}"] if missing else []) + wrong)
