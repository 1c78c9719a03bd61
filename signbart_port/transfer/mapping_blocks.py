"""The blocks of a mapping file, checked as they are read."""

from __future__ import annotations

from collections.abc import Container, Set
from pathlib import Path
from typing import Any

from signbart_port.errors import PortError, printable
from signbart_port.transfer.mapping import PLACEHOLDER
from signbart_port.untrusted import strict_yaml


class Blocks:
    """The blocks of one file. Whatever is wrong is a PortError with its line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def check_declared(self, block: Any, key: str, text: str, declared: Container[str]) -> None:
        """Raise PortError for a placeholder that is not declared, and for stray braces."""
        for name in PLACEHOLDER.findall(text):
            if name not in declared:
                raise self.wrong(block, key, f"placeholder {{{name}}} is not declared under axes")
        if not {"{", "}"}.isdisjoint(PLACEHOLDER.sub("", text)):
            raise self.wrong(block, key, f"{key} has braces around what is no name")

    def keys(
        self, block: Any, required: Set[str] = frozenset(), optional: Set[str] = frozenset()
    ) -> None:
        for key in block:
            if key not in required | optional:
                raise self.wrong(
                    block,
                    key,
                    f"unknown key {printable(key)!r}; known: "
                    f"{', '.join(sorted(required | optional))}",
                )
        if missing := sorted(required - set(block)):
            raise self.wrong(block, None, f"missing {', '.join(missing)}")

    def text(self, block: Any, key: str) -> str:
        value = block.get(key)
        if not isinstance(value, str) or not value:
            raise self.wrong(block, key, f"{key} must be a name, got {printable(value)}")
        return value

    def texts(self, block: Any, key: str) -> tuple[str, ...]:
        values = block.get(key, [])
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise self.wrong(block, key, f"{key} must be a list of names, got {printable(values)}")
        return tuple(values)

    def block(self, parent: Any, key: str) -> Any:
        value = parent.get(key, strict_yaml.Block())
        if not isinstance(value, dict):
            raise self.wrong(parent, key, f"{key} must be a block of keys, got {printable(value)}")
        return value

    def blocks(self, parent: Any, key: str) -> list[Any]:
        values = parent.get(key, [])
        if not isinstance(values, list) or not all(isinstance(v, dict) for v in values):
            raise self.wrong(parent, key, f"{key} must be a list of blocks")
        return values

    def wrong(self, block: Any, key: str | None, what: str) -> PortError:
        line = block.lines.get(key, block.line) if key else block.line
        return PortError(self.path, f"line {line}: {what}")
