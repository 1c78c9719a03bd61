"""YAML from strangers: one document of plain data, with the line of every key.

PyYAML only parses the syntax. Its events are turned into data here, so that nothing of its YAML 1.1
scalars, tags and constructors can be reached, and everything that is refused is refused before it
is built. Its pure Python parser is used on purpose: the C one crashes on deep nesting.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

import yaml
from yaml import events
from yaml.reader import ReaderError

from signbart_port.errors import PortError, printable
from signbart_port.untrusted.text_file import decoded, read_text

_DEEPEST = 32
_LONGEST_NUMBER = 100
# The core schema of YAML 1.2.2, section 10.3.2.
_WORDS = {word: None for word in ("", "~", "null", "Null", "NULL")} | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL_OR_HEX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class Block(dict[str, Any]):
    """A mapping that knows its place in the file.

    `line` is the line on which it begins, `lines` the line of each of its keys; both count from 1.
    """

    def __init__(self, line: int = 0) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


def load(path: Path, text: str | None = None) -> Block:
    """Return the mapping in the YAML file `path`, or in `text` if that file's text is already at
    hand.

    Values are Block, list, str, int, float, bool and None, with plain scalars read as in YAML 1.2:
    `NO`, `on` and `2024-01-01` are strings, `1e-5` is a float, `010` is ten. Raises PortError,
    naming the line, for anything else: another top level, a second document, anchors, aliases,
    tags, merge keys, keys that repeat or are not strings, nesting deeper than 32, more than 1 MiB,
    a file that is not regular or not readable UTF-8.
    """
    text = (
        read_text(path)
        if text is None
        else decoded(path, text.encode(errors="surrogatepass"), "YAML")
    )
    return _Builder(path, text).document()


class _Builder:
    """A builder of data from the events of one document."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._line = 1
        try:
            self._parser: Any = yaml.SafeLoader(text)
        except ReaderError as error:
            self._line += text.count("\n", 0, error.position)
            self._refuse(f"control character U+{error.character:04X}")

    def document(self) -> Block:
        self._next()
        if isinstance(self._next(), events.StreamEndEvent):
            raise PortError(self._path, "is empty")
        data = self._value(self._next(), depth=1)
        self._next()
        if not isinstance(self._next(), events.StreamEndEvent):
            self._refuse("a second document begins", "Keep one document a file")
        if not isinstance(data, Block):
            self._line = 1
            self._refuse(f"expected keys and values, got {_kind(data)}")
        return data

    def _refuse(self, what: str, hint: str = "") -> NoReturn:
        raise PortError(self._path, f"line {self._line}: {what}", hint) from None

    def _next(self) -> Any:
        try:
            event = self._parser.get_event()
        except yaml.MarkedYAMLError as error:
            if error.problem_mark is not None:
                self._line = error.problem_mark.line + 1
            tab = "Indent with spaces, not tabs" if r"'\t'" in str(error.problem) else ""
            self._refuse(f"is not valid YAML: {error.problem}", tab)
        except (ValueError, OverflowError) as error:  # of int() and chr(), on what the text spells
            self._line = self._parser.get_mark().line + 1
            self._refuse(f"is not valid YAML: {error}")
        self._line = event.start_mark.line + 1
        return event

    def _value(self, event: Any, depth: int) -> Any:
        if event.anchor is not None:
            self._refuse("anchors and aliases (& and *) are not accepted", "Write the value out")
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._refuse(f"tag {printable(tag)!r} is not accepted", "Write plain values")
        if isinstance(event, events.ScalarEvent):
            return self._scalar(event)
        if depth > _DEEPEST:
            self._refuse(f"nested deeper than {_DEEPEST} levels")
        if isinstance(event, events.MappingStartEvent):
            return self._block(depth)
        items = []
        while not isinstance(event := self._next(), events.SequenceEndEvent):
            items.append(self._value(event, depth + 1))
        return items

    def _block(self, depth: int) -> Block:
        block = Block(self._line)
        while not isinstance(event := self._next(), events.MappingEndEvent):
            line = self._line
            if isinstance(event, events.ScalarEvent) and event.implicit[0] and event.value == "<<":
                self._refuse("merge keys (<<) are not accepted", "Write the values out")
            key = self._value(event, depth + 1)
            if not isinstance(key, str):
                self._line = line
                self._refuse(f"a key must be a string, got {_kind(key)}", "Put it in quotes")
            if key in block:
                first = block.lines[key]
                self._refuse(f"key {printable(key)!r} repeats that of line {first}", "Keep one")
            block.lines[key] = line
            block[key] = self._value(self._next(), depth + 1)
        return block

    def _scalar(self, event: events.ScalarEvent) -> str | int | float | bool | None:
        text = event.value
        plain = event.implicit[0]
        if plain and text in _WORDS:
            return _WORDS[text]
        try:
            text.encode()  # an escape such as "\ud800" spells half a character
            if plain and _DECIMAL.fullmatch(text):
                return int(text)
        except ValueError as error:
            self._refuse(f"{printable(text, 40)} cannot be read: {error}")
        if plain and _OCTAL_OR_HEX.fullmatch(text):
            if len(text) > _LONGEST_NUMBER:  # Python could read it, and not print it
                self._refuse(f"{printable(text, 40)} cannot be read: a number too long")
            return int(text, 0)
        if plain and _FLOAT.fullmatch(text):
            return float(text)
        if plain and _NOT_FINITE.fullmatch(text):
            return float(text.replace(".", ""))
        return text


def _kind(value: object) -> str:
    """Return a noun for a value, for messages."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else printable(value, 40)
