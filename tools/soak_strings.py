"""Hostile strings, in every place that a stranger's file has for one: shown, and never obeyed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from random import Random

import soak_command
import soak_common
import soak_outputs
import soak_places
from soak_command import Ended, control_characters
from soak_common import Trial
from soak_places import Place

MARK = "forged"
"""What a string would make appear: a line, an element or an attribute of this name."""
_EMOJI = "⚠"
STRINGS = {
    "title": f"\x1b]0;{MARK}\x07",
    "clear": f"\x1b[2J{MARK}",
    "C1": f"\x9b2J{MARK}\x85{MARK}",
    "backspaces": f"abc\b\b\b{MARK}\x7f",
    "line": f"a\n{MARK}: equal",
    "carriage return": f"a\r{MARK}: equal",
    "line separator": f"a\u2028{MARK}: equal",
    "bell and tab": f"a\t{MARK}\x07\x0b\x0c",
    "Rich, closing": f"[/x]{MARK}",
    "Rich, style": f"[bold red on white]{MARK}[/]",
    "Rich, link": f"[link=https://a.example]{MARK}[/link] [@click=quit]",
    "Rich, escaped": f"\\[bold]{MARK}\\[/]\\",
    "emoji code": f"a:warning:{MARK}",
    "script": f"<script>{MARK}()</script>",
    "element": f"</title></style></script></svg><{MARK}>",
    "image": f'"><img src=x onerror={MARK}()>',
    "attribute": f"\" {MARK}=\"' {MARK}='",
    "template": f"{{{{ {MARK} }}}}{{% if %}}%s%n{{0}}{{layer}}$(touch {MARK})",
    "override": f"\u202e{MARK}\u202c",
    "isolate": f"\u2066{MARK}\u2069\u200f",
    "surrogate": f"a{MARK}\udcff",
    "half a pair": f"a{MARK}\ud83d",
    "long": f"a{MARK}{'x' * 50_000}",
    "many lines": "a" + f"\n{MARK}" * 8_000,
    "NUL": f"a\0{MARK}",
    "nothing": "",
    "scripts": "سلام 手话 नमस्ते 🤟🏽 é",
}


def trials(folder: Path) -> dict[str, Trial]:
    """Return a row for each place; trial n puts the string n there."""
    (home := folder / "made").mkdir()
    made = soak_common.make_files(home)
    soak_command.import_verbs()
    soak_command.write_good(good := folder / "good", made)
    return {
        name: Trial(partial(trial, place, good, folder / "work"), most=len(STRINGS))
        for name, place in {**soak_places.PLACES, **soak_outputs.PLACES}.items()
    }


def trial(place: Place, good: Path, work: Path, number: int, _: Random) -> tuple[str, str]:
    """Put a string in a place, and run the commands that come across it."""
    name, text = list(STRINGS.items())[number]
    soak_command.put_beside(good, work)
    words, defects = set(), []
    try:
        for command in place(work, text):
            ended = soak_command.forked(command, work)
            words.add({0: "shown", 1: "not equal"}.get(ended.code, ended.word()))
            found = ended_badly(command, ended)
            if (page := work / "page.html").exists():
                found += in_page(page.read_text())
                page.unlink()
            defects += [f"{name}, {command!r}: {one}" for one in found]
    except (OSError, RuntimeError, ValueError):
        words.add("not possible")
    return " or ".join(sorted(words)), "; ".join(defects)


def ended_badly(command: Sequence[str], ended: Ended) -> list[str]:
    """Return what is wrong with a command's end and with what it printed."""
    found = ended.defects((0, 1, 2) if command[0] == "verify" else (0, 2))
    for stream, said in (("stdout", ended.out), ("stderr", ended.err)):
        if controls := control_characters(said):
            found.append(f"{stream} has {controls!r}")
        if re.search("[\ud800-\udfff]", said):
            found.append(f"{stream} is no UTF-8")
        if _EMOJI in said:
            found.append(f"{stream} has an emoji for its code")
        if forged := re.search(f"^\\s*{MARK}.*", said, re.MULTILINE):
            found.append(f"{stream} has the line {forged[0][:100]!r}")
    if "--json" in command and not _is_json(ended.out):
        found.append(f"prints no JSON: {ended.out[:200]!r}")
    return found


def _is_json(text: str) -> bool:
    """Return whether a text is one document of JSON, or one a line."""
    for documents in ([text] if text else [], text.splitlines()):
        try:
            return all(json.loads(one) is not None for one in documents)
        except ValueError:
            continue
    return False


def in_page(text: str) -> list[str]:
    """Return what of a string is alive in a page."""
    page = _Page()
    page.feed(text)
    page.close()
    if controls := control_characters(text):
        page.found.append(f"the page has {controls!r}")
    return page.found


class _Page(HTMLParser):
    """A reader of a page that looks for elements and attributes of a string's."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if MARK in name or (name.startswith("on") and MARK in (value or "")):
                self.found.append(f"the page has the attribute {name} in {tag}")
        if MARK in tag:
            self.found.append(f"the page has the element {tag}")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem and MARK in data:
            self.found.append(f"the page has {MARK} in a {self.cdata_elem}")
