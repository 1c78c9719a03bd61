"""Templates to HTML, in which nothing from a file is taken for markup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from signbart_port.errors import printable

_LONGEST = 10_000  # characters of a note


def rendered(template: str, filters: Mapping[str, Callable[[Any], str]], **values: Any) -> str:
    """A page, with filters of its own besides `name`, `note` and `file`.

    What comes from a file is escaped, and its control characters are shown.
    """
    environment = Environment(
        loader=PackageLoader("signbart_port.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "name": _name,
        "note": lambda text: printable(text, _LONGEST),
        "file": lambda path: Path(path).name,
        **filters,
    }
    return environment.get_template(template).render(**values)


def _name(text: object) -> Markup:
    """A path or a dotted name, which may break where it has a joint."""
    name = escape(printable(text))
    for joint in "./_":
        name = name.replace(joint, Markup(f"{joint}<wbr>"))
    return name
