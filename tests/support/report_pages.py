"""Pages as tests read them: parsed, poisoned, and looked at in a browser."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

import html5lib

if TYPE_CHECKING:
    from tests.support.browser import Browser

EVIL = (
    """</code></style><script>alert("1")</script><img src=x onerror='alert(2)'>&amp;{{ 7 * 7 }}"""
)
ARABIC = "مرحبا بكم"


def parsed(text: str) -> Element:
    """Parse a page. Raises for whatever is not well-formed."""
    document: Element = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    return document


def text_of(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def named(root: Element, kind: str) -> list[Element]:
    """Return the elements of a class."""
    return [e for e in root.iter() if kind in str(e.get("class", "")).split()]


def tag(element: Element) -> str:
    """Return the tag without SVG's namespace."""
    return str(element.tag).rpartition("}")[2]


def poisoned(data: Any, kept: set[str]) -> Any:
    """Return `data` with every string followed by markup, but for the fields that are `kept`."""
    return _followed(data, EVIL, kept)


def right_to_left(data: Any, kept: set[str]) -> Any:
    """Return `data` with every string followed by Arabic, but for the fields that are `kept`."""
    return _followed(data, ARABIC, kept)


def _followed(data: Any, by: str, kept: set[str]) -> Any:
    if isinstance(data, str):
        return data + by
    if isinstance(data, tuple):
        return tuple(_followed(one, by, kept) for one in data)
    if is_dataclass(data) and not isinstance(data, type):
        values = {f.name: getattr(data, f.name) for f in fields(data) if f.name not in kept}
        return replace(data, **{name: _followed(value, by, kept) for name, value in values.items()})
    return data


def isolated(root: Element) -> None:
    """Assert that a page has Arabic inside of <bdi> alone, besides its title and attributes."""
    assert ARABIC in "".join(root.itertext())
    if tag(root) not in ("bdi", "title"):
        assert ARABIC not in "".join([root.text or "", *(one.tail or "" for one in root)])
        for one in root:
            if ARABIC in "".join(one.itertext()):
                isolated(one)


def page_extent(browser: Browser, page: Path, width: int) -> tuple[float, float]:
    """Return the inner width of a window of this width, and how far to the right the page reaches
    in it, with every fold open."""
    browser.open(page.as_uri(), width=width)
    browser.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
    edges = "[...document.body.querySelectorAll('*')].map((e) => e.getBoundingClientRect().right)"
    inner, widest = browser.evaluate(f"[innerWidth, Math.max(...{edges})]")
    return inner, widest
