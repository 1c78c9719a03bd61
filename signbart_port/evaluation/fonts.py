"""The fonts of pictures, all of them installed with this program: none of the machine is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from pathlib import Path

import matplotlib
from matplotlib.font_manager import fontManager, ttfFontProperty
from matplotlib.ft2font import FT2Font

from signbart_port.errors import printable

_USUAL = "fonts/ttf/DejaVuSans.ttf"  # of matplotlib: Latin with Vietnamese, Greek, Cyrillic
_PACKAGES = ("manimgx_fonts", "noto_cjk_sans_jp_regular")
_LONGEST = 1000  # characters of a name


def drawable(text: str) -> str:
    """Return `text` as `printable` does; a character that no font has becomes its code, not a
    box."""
    return "".join(c if _family(c) else _code(c) for c in printable(text, _LONGEST))


def is_covered(text: str) -> bool:
    """Return whether the fonts have every character of `text`, as it is printed."""
    return all(map(_family, printable(text, _LONGEST)))


def families(texts: Iterable[str]) -> list[str]:
    """Return the families that draw `texts`, matplotlib's own first."""
    usual, *_ = _characters()
    return list(dict.fromkeys([usual, *filter(None, map(_family, sorted(set("".join(texts)))))]))


def _family(character: str) -> str | None:
    """Return the first family that has a character."""
    return next((name for name, held in _characters().items() if ord(character) in held), None)


def _code(character: str) -> str:
    return character.encode("unicode_escape").decode()


@cache
def _characters() -> dict[str, frozenset[int]]:
    """Return the characters of each family, and make the families known to matplotlib."""
    held = {}
    for path in _files():
        fontManager.addfont(path)
        font = FT2Font(path)
        held[ttfFontProperty(font).name] = frozenset(font.get_charmap())
    return held


def _files() -> Iterator[str]:
    yield str(Path(matplotlib.get_data_path(), _USUAL))
    for package in _PACKAGES:
        names = sorted(file.name for file in resources.files(package).iterdir())
        for name in names:
            if name.endswith((".ttf", ".otf")) and "Italic" not in name:
                yield str(resources.files(package) / name)
