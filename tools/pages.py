"""The fences of README.md and docs/: what of a page is run, written to a file, or only shown.

The convention is in CONTRIBUTING.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUN = frozenset({"console", "python"})
PARSED = frozenset({"sh"})
SHOWN = frozenset({"js", "json", "kotlin", "mermaid", "text", "toml", "yaml"})
OUTPUT = 'title="Output"'
"""The options of a `text` fence below a `python` fence: what that prints."""
NO_RUN = "no-run"
PROMPT = "$ "
_OPENING = re.compile(
    r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,})(?P<language>[^\s`]*) *(?P<options>[^`]*)$"
)
_FILE = re.compile(r'^title="([\w./-]+\.\w+)"$')
_COMMAND = re.compile(r"^(\$|signbart-port|python|pip|make|git|node|torchrun)\s")


@dataclass(frozen=True)
class Fence:
    """A fenced block of a page."""

    page: str
    line: int
    """Of the first line inside of it, counted from 1."""
    indent: int
    language: str
    options: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        """The name under which a reader saves this fence."""
        named = _FILE.match(self.options)
        return named.group(1) if named else None

    @property
    def runs(self) -> bool:
        return self.language in RUN and self.file is None and self.options != NO_RUN


@dataclass(frozen=True)
class Step:
    """A command or a piece of Python, with the output that the page shows."""

    page: str
    language: str
    text: str
    line: int
    shown: tuple[str, ...]
    shown_at: int
    """The line of the page where the output begins."""
    indent: int

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """Return the pages that have commands, by their paths in the repository."""
    top = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
    below = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
    return [*top, *below]


def fences(page: str, text: str | None = None) -> list[Fence]:
    """Return the fences of a page, or of a text in its place."""
    lines = (ROOT / page).read_text("utf-8").splitlines() if text is None else text.splitlines()
    found = []
    rest = iter(enumerate(lines, 1))
    for number, line in rest:
        if opening := _OPENING.match(line):
            indent, closing = len(opening["indent"]), opening["indent"] + opening["ticks"]
            body = []
            for _, inside in rest:
                if inside.rstrip() == closing:
                    break
                body.append(inside[indent:] if not inside[:indent].strip() else inside)
            else:
                raise ValueError(f"{page}:{number}: this fence never ends")
            language, options = opening["language"], opening["options"].strip()
            found.append(Fence(page, number + 1, indent, language, options, tuple(body)))
    return found


def problem(fence: Fence) -> str | None:
    """Return why a command in this fence would escape the tests, if it would."""
    if fence.language not in RUN | PARSED | SHOWN:
        known = ", ".join(sorted(RUN | PARSED | SHOWN))
        return f"{fence.language or 'a fence without a language'}: not one of {known}"
    if fence.options not in ("", NO_RUN, OUTPUT) and fence.file is None:
        return f'{fence.options}: neither {NO_RUN}, {OUTPUT} nor title="FILE"'
    if fence.language == "console" and (fence.options or not fence.text.startswith(PROMPT)):
        return f"a console fence begins with a line `{PROMPT}command` and has no options"
    if fence.language in SHOWN and any(map(_COMMAND.match, fence.lines)):
        return "commands belong into a `console` fence, or a `sh` fence if they cannot be run"
    return None


def steps(page: str) -> Iterator[Step | Fence]:
    """Yield what a reader does with a page, in order: steps to run, and fences to save."""
    found = fences(page)
    for fence, following in zip_longest(found, found[1:]):
        if fence.file:
            yield fence
        elif fence.language == "console":
            yield from _commands(fence)
        elif fence.runs:
            output = following if following and following.options == OUTPUT else None
            shown, at = (output.lines, output.line) if output else ((), 0)
            yield Step(page, "python", fence.text, fence.line, shown, at, fence.indent)


def _commands(fence: Fence) -> Iterator[Step]:
    """Yield the commands of a console fence; one that ends in a backslash goes on below."""
    at = 0
    while at < len(fence.lines):
        first = at
        command = [fence.lines[at].removeprefix(PROMPT)]
        while command[-1].endswith("\\"):
            at += 1
            command.append(fence.lines[at])
        at += 1
        start = at
        while at < len(fence.lines) and not fence.lines[at].startswith(PROMPT):
            at += 1
        shown = fence.lines[start:at]
        text = "".join(f"{line}\n" for line in command)
        line, below = fence.line + first, fence.line + start
        yield Step(fence.page, "console", text, line, shown, below, fence.indent)


def only_parsed(page: str) -> list[tuple[str, str]]:
    """Return the commands of `sh` fences: where each stands, and its text."""
    found = []
    for fence in fences(page):
        if fence.language in PARSED and fence.file is None:
            joined = fence.text.replace("\\\n", "\0").splitlines()
            for number, line in enumerate(joined):
                at = fence.line + number + "".join(joined[:number]).count("\0")
                command = line.replace("\0", "\\\n")
                if command.strip() and not command.lstrip().startswith("#"):
                    found.append((f"{page}:{at}", command))
    return found


_INLINE = re.compile(r"`(signbart-port\s(?!COMMAND)[^`]+)`")


def inline_commands(page: str) -> list[tuple[str, str]]:
    """Return the commands of this program in a page's prose, wherever a line breaks."""
    text = (ROOT / page).read_text("utf-8")
    prose = re.sub(r"^( *)(`{3,})[^`]*$.*?^\1\2 *$", _blank, text, flags=re.MULTILINE | re.DOTALL)
    return [
        (f"{page}:{prose.count(chr(10), 0, one.start()) + 1}", " ".join(one.group(1).split()))
        for one in _INLINE.finditer(prose)
    ]


def _blank(fence: re.Match[str]) -> str:
    return "\n" * fence.group().count("\n")
