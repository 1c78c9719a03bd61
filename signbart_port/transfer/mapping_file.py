"""The reader of mapping files: YAML in, checked rules out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Set
from pathlib import Path
from typing import Any

from signbart_port.errors import PortError, printable
from signbart_port.transfer.mapping import (
    PLACEHOLDER,
    SCHEMA,
    Axis,
    Ignored,
    Leaf,
    Rule,
    Size,
    WeightMapping,
)
from signbart_port.transfer.ops import OPS
from signbart_port.untrusted import strict_yaml

_LARGEST_START = 1000


def load(path: str | Path) -> WeightMapping:
    """Read and check a mapping file.

    Raises PortError, naming the line, for anything that is not a mapping of this schema.
    """
    return _Reader(Path(path)).read()


class _Reader:
    """A reader that turns the YAML of one file into a WeightMapping, or names the line that is
    wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = strict_yaml.load(path)

    def read(self) -> WeightMapping:
        schema = self.data.get("schema", SCHEMA)
        if type(schema) is not int or schema != SCHEMA:  # True would equal 1
            what = f"schema is {printable(schema)}, this program reads {SCHEMA}"
            raise self.wrong(self.data, "schema", what)
        self.keys(
            self.data,
            required={"schema", "family", "axes", "kinds", "modules"},
            optional={"checkpoint", "ignore"},
        )
        container = self.block(self.data, "checkpoint")
        self.keys(container, optional={"unwrap", "strip_prefixes"})
        ignore = self.block(self.data, "ignore")
        self.keys(ignore, optional={"torch", "keras"})
        self.axes = {
            name: self.axis(self.data["axes"], name) for name in self.block(self.data, "axes")
        }
        self.kinds = {
            name: tuple(self.leaf(leaf) for leaf in self.blocks(self.data["kinds"], name))
            for name in self.block(self.data, "kinds")
        }
        return WeightMapping(
            path=self.path,
            sha256=hashlib.sha256(self.path.read_bytes()).hexdigest(),
            family=self.text(self.data, "family"),
            unwrap=self.texts(container, "unwrap"),
            strip_prefixes=self.texts(container, "strip_prefixes"),
            axes=self.axes,
            rules=tuple(self.rule(rule) for rule in self.blocks(self.data, "modules")),
            ignored_torch=tuple(self.ignored(i) for i in self.blocks(ignore, "torch")),
            ignored_keras=tuple(self.ignored(i) for i in self.blocks(ignore, "keras")),
        )

    def axis(self, axes: Any, name: str) -> Axis:
        if not isinstance(axes[name], dict):
            return Axis(values=self.texts(axes, name))
        block = self.block(axes, name)
        self.keys(block, required={"range"}, optional={"from"})
        start = block.get("from", 0)
        if type(start) is not int or not 0 <= start <= _LARGEST_START:
            raise self.wrong(block, "from", f"from must be a small number, got {printable(start)}")
        return Axis(range=self.text(block, "range"), start=start, line=block.line)

    def leaf(self, leaf: Any) -> Leaf:
        self.keys(leaf, required={"keras", "dims"}, optional={"torch", "op"})
        op = self.text(leaf, "op") if "op" in leaf else "identity"
        if op not in OPS:
            raise self.wrong(leaf, "op", f"unknown op {printable(op)!r}; known: {', '.join(OPS)}")
        torch = self.text(leaf, "torch") if "torch" in leaf else ""
        keras = self.text(leaf, "keras")
        if not {"{", "}"}.isdisjoint(torch + keras):
            raise self.wrong(leaf, "torch", "the tensors of a kind take no placeholders")
        return Leaf(torch, keras, self.texts(leaf, "dims"), OPS[op])

    def rule(self, rule: Any) -> Rule:
        kind = self.text(rule, "kind")
        if kind not in self.kinds:
            raise self.wrong(
                rule, "kind", f"unknown kind {kind!r}; declared: {', '.join(self.kinds)}"
            )
        leaves = self.kinds[kind]
        names = {"path"} if "path" in rule else {"torch", "keras"}
        dims = {dim for leaf in leaves for dim in leaf.dims}
        self.keys(rule, required={"kind", *names, *dims}, optional={"guess"})
        if type(guess := rule.get("guess", False)) is not bool:
            raise self.wrong(rule, "guess", f"guess is true or false, not {printable(guess, 40)}")
        torch = self.pattern(rule, "path" if "path" in rule else "torch")
        keras = self.pattern(rule, "path" if "path" in rule else "keras").replace(".", "/")
        # Keras names a layer of a list "layers.0": to PyTorch that is a "0" within "layers".
        keras = re.sub(r"/(\{\w+\}|\d+)(?=/|$)", self._list_item, keras)
        if set(PLACEHOLDER.findall(torch)) != set(PLACEHOLDER.findall(keras)):
            raise self.wrong(rule, "torch", "torch and keras use different placeholders")
        sizes = {dim: self.size(rule, dim) for dim in dims}
        return Rule(torch, keras, kind, leaves, sizes, rule.line, guess)

    def _list_item(self, item: re.Match[str]) -> str:
        name = item[1].strip("{}")
        numbered = name.isdigit() or bool(self.axes[name].range)
        return f".{item[1]}" if numbered else item[0]

    def ignored(self, ignored: Any) -> Ignored:
        self.keys(ignored, required={"match", "why"})
        return Ignored(self.pattern(ignored, "match"), self.text(ignored, "why"), ignored.line)

    def size(self, block: Any, key: str) -> Size:
        size = re.fullmatch(r"(\w+)(?: \+ (\d{1,6}))?", self.text(block, key))
        if size is None:
            raise self.wrong(
                block, key, f"{key} must be a size of the config, or a size + a number"
            )
        return Size(size[1], int(size[2] or 0))

    def pattern(self, block: Any, key: str) -> str:
        pattern = self.text(block, key)
        for name in PLACEHOLDER.findall(pattern):
            if name not in self.axes:
                raise self.wrong(block, key, f"placeholder {{{name}}} is not declared under axes")
        if not {"{", "}"}.isdisjoint(PLACEHOLDER.sub("", pattern)):
            raise self.wrong(block, key, f"{key} has braces around what is no name")
        return pattern

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
