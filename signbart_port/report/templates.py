"""Templates to HTML, in which nothing from a file is taken for markup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from signbart_port.errors import printable
from signbart_port.system.bidi import RIGHT_TO_LEFT

_LONGEST = 10_000  # characters of a note


def rendered(template: str, filters: Mapping[str, Callable[[Any], str]], **values: Any) -> str:
    """Render a page, with `filters` of its own in addition to those of every page.

    Content from files goes through `name`, `note` (a sentence) or `line` (where there can be no
    markup): it is escaped, its control characters are made visible, and right-to-left text leaves
    the order of its neighbors alone.
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
        "note": _note,
        "line": lambda text: printable(text, _LONGEST),
        "file": lambda path: Path(path).name,
        **filters,
    }
    return environment.get_template(template).render(**values)


def _name(text: object) -> Markup:
    """Return a path or a dotted name that may break at its joints."""
    parts = map(_part, printable(text).split("/"))
    return Markup("<bdi>{}</bdi>").format(Markup("/<wbr>").join(parts))


def _part(text: str) -> Markup:
    """Return a part of a path: one of right-to-left letters stays before the next."""
    part = escape(text)
    for joint in "._":
        part = part.replace(joint, Markup(f"{joint}<wbr>"))
    return Markup("<bdi>{}</bdi>").format(part) if RIGHT_TO_LEFT.search(text) else part


def _note(text: object) -> Markup:
    """Return a sentence of this program, in which a name of either direction may stand."""
    # No run begins or ends inside of an entity, whose letters are Latin.
    escaped = str(escape(printable(text, _LONGEST)))
    return Markup(RIGHT_TO_LEFT.sub(r"<bdi>\g<0></bdi>", escaped))
