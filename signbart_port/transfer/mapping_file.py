"""The reader of mapping files: YAML in, checked rules out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from signbart_port.errors import printable
from signbart_port.transfer.mapping import (
    OWN,
    PLACEHOLDER,
    SCHEMA,
    Axis,
    Fill,
    Ignored,
    Leaf,
    Rule,
    Size,
    WeightMapping,
)
from signbart_port.transfer.mapping_blocks import Blocks
from signbart_port.transfer.mapping_kinds import KindReader
from signbart_port.untrusted import strict_yaml

_LARGEST_START = 1000
_LARGEST_SIZE = 10**9


def load(path: str | Path) -> WeightMapping:
    """Read and check a mapping file.

    Raises PortError, naming the line, for anything that is not a mapping of this schema.
    """
    return _Reader(Path(path)).read()


class _Reader(Blocks):
    """A reader that turns the YAML of one file into a WeightMapping, or names the line that is
    wrong."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.data = strict_yaml.load(path)

    def read(self) -> WeightMapping:
        self.schema = self.data.get("schema", SCHEMA)
        if type(self.schema) is not int or not 1 <= self.schema <= SCHEMA:  # True would equal 1
            what = f"schema is {printable(self.schema)}, this program reads 1 and 2"
            raise self.wrong(self.data, "schema", what)
        self.keys(
            self.data,
            required={"schema", "family", "kinds", "modules"}
            | ({"axes"} if self.schema == 1 else set()),
            optional={"checkpoint", "ignore", "axes"},
        )
        container = self.block(self.data, "checkpoint")
        self.keys(container, optional={"unwrap", "strip_prefixes", "renamed"})
        ignore = self.block(self.data, "ignore")
        self.keys(ignore, optional={"torch", "keras"})
        self.axes = {
            name: self.axis(self.data["axes"], name) for name in self.block(self.data, "axes")
        }
        kinds = KindReader(self.path, self.schema, self.axes)
        self.kinds = {
            name: kinds.kind(self.blocks(self.data["kinds"], name))
            for name in self.block(self.data, "kinds")
        }
        rules = tuple(self.rule(rule) for rule in self.blocks(self.data, "modules"))
        return WeightMapping(
            path=self.path,
            sha256=hashlib.sha256(self.path.read_bytes()).hexdigest(),
            family=self.text(self.data, "family"),
            unwrap=self.texts(container, "unwrap"),
            strip_prefixes=self.texts(container, "strip_prefixes"),
            axes=self.axes,
            rules=rules,
            renamed=tuple(self.rename(one, rules) for one in self.blocks(container, "renamed")),
            ignored_torch=tuple(self.ignored(i) for i in self.blocks(ignore, "torch")),
            ignored_keras=tuple(self.ignored(i) for i in self.blocks(ignore, "keras")),
        )

    def rename(self, one: Any, rules: Sequence[Rule]) -> tuple[str, str]:
        """Return the path of a module in a file, and in the model."""
        self.keys(one, required={"file", "torch"})
        of_file, of_model = self.pattern(one, "file"), self.pattern(one, "torch")
        if set(PLACEHOLDER.findall(of_file)) != set(PLACEHOLDER.findall(of_model)):
            raise self.wrong(one, "file", "file and torch use different placeholders")
        if not any(f"{rule.torch}.".startswith(f"{of_model}.") for rule in rules):
            what = f"no rule has a module {printable(of_model, 80)}, or one in it"
            raise self.wrong(one, "torch", what)
        return of_file, of_model

    def axis(self, axes: Any, name: str) -> Axis:
        if not isinstance(axes[name], dict):
            return Axis(values=self.texts(axes, name))
        block = self.block(axes, name)
        if self.schema > 1 and "range" not in block:
            return self.both_sides(block)
        self.keys(block, required={"range"}, optional={"from", "keras_from"})
        torch, keras = (self.start(block, key) for key in ("from", "keras_from"))
        return Axis(
            range=self.text(block, "range"), start=torch, keras_start=keras, line=block.line
        )

    def start(self, block: Any, key: str) -> int:
        start = block.get(key, 0)
        if type(start) is not int or not 0 <= start <= _LARGEST_START:
            raise self.wrong(block, key, f"{key} must be a small number, got {printable(start)}")
        return start

    def both_sides(self, block: Any) -> Axis:
        """Return an axis whose values have other names in Keras."""
        self.keys(block, required={"torch", "keras"})
        torch, keras = self.texts(block, "torch"), self.texts(block, "keras")
        if len(torch) != len(keras) or len(set(torch)) < len(torch):
            what = "an axis needs as many different names in torch as names in keras"
            raise self.wrong(block, "torch", what)
        return Axis(torch, keras, line=block.line)

    def rule(self, rule: Any) -> Rule:
        kind = self.text(rule, "kind")
        if kind not in self.kinds:
            raise self.wrong(
                rule, "kind", f"unknown kind {kind!r}; declared: {', '.join(self.kinds)}"
            )
        tensors = self.kinds[kind]
        leaves = tuple(tensor for tensor in tensors if isinstance(tensor, Leaf))
        fills = tuple(tensor for tensor in tensors if isinstance(tensor, Fill))
        names = {"path"} if "path" in rule else {"torch", "keras"}
        free = {leaf.order[0] for leaf in leaves if leaf.order}  # as many as the order has
        dims = {dim for tensor in tensors for dim in tensor.axes.names} - free
        if clash := sorted(dims & {*names, "kind", "guess"}):
            raise self.wrong(rule, "kind", f"an axis of kind {kind} cannot be named {clash[0]}")
        if self.schema == 1:
            self.keys(rule, required={"kind", *names, *dims}, optional={"guess"})
        else:  # what a rule leaves out, the two models tell
            self.keys(rule, required={"kind", *names}, optional={"guess", *dims})
        if type(guess := rule.get("guess", False)) is not bool:
            raise self.wrong(rule, "guess", f"guess is true or false, not {printable(guess, 40)}")
        torch = self.pattern(rule, "path" if "path" in rule else "torch")
        keras = self.pattern(rule, "path" if "path" in rule else "keras")
        if (self.schema == 1 or "path" in rule) and keras != OWN:
            # Keras names a layer of a list "layers.0": to PyTorch that is a "0" within "layers".
            keras = keras.replace(".", "/")
            keras = re.sub(r"/(\{\w+\}|\d+)(?=/|$)", self._list_item, keras)
        sides = [torch, keras]
        for tensor in tensors:
            sides = [sides[0] + tensor.torch, sides[1] + tensor.keras]
        if len({frozenset(PLACEHOLDER.findall(side)) for side in sides}) > 1:
            raise self.wrong(rule, "torch", "torch and keras use different placeholders")
        several = {dim for dim in dims if isinstance(rule.get(dim), list)}
        sizes = {dim: self.size(rule, dim, rule[dim]) for dim in (dims - several) & rule.keys()}
        shares = {dim: self.shares(rule, dim, leaves) for dim in several}
        return Rule(torch, keras, kind, leaves, sizes, rule.line, guess, fills, shares)

    def _list_item(self, item: re.Match[str]) -> str:
        name = item[1].strip("{}")
        numbered = name.isdigit() or bool(self.axes[name].range)
        return f".{item[1]}" if numbered else item[0]

    def ignored(self, ignored: Any) -> Ignored:
        self.keys(ignored, required={"match", "why"})
        return Ignored(self.pattern(ignored, "match"), self.text(ignored, "why"), ignored.line)

    def shares(self, rule: Any, dim: str, leaves: Sequence[Leaf]) -> tuple[Size, ...]:
        """Return the size of an axis in each of several tensors that are one on the other side."""
        values = rule[dim]
        counts = {leaf.share.count if leaf.share else 1 for leaf in leaves if dim in leaf.dims}
        if self.schema == 1 or counts != {len(values)}:
            others = [leaf.torch for leaf in leaves if dim in leaf.dims and not leaf.share]
            single = f"; {printable(others[0], 60)} is one" if others else ""
            what = f"{dim} must be one size, or one for each of the tensors that are joined{single}"
            raise self.wrong(rule, dim, what)
        return tuple(self.size(rule, dim, value) for value in values)

    def size(self, rule: Any, dim: str, value: Any) -> Size:
        if self.schema > 1 and type(value) is int and 0 < value <= _LARGEST_SIZE:
            return Size("", value)
        size = re.fullmatch(r"(\w+)(?: \+ (\d{1,6}))?", value) if isinstance(value, str) else None
        if size is None:
            raise self.wrong(rule, dim, f"{dim} must be a size of the config, or a size + a number")
        return Size(size[1], int(size[2] or 0))

    def pattern(self, block: Any, key: str) -> str:
        pattern = self.text(block, key)
        self.check_declared(block, key, pattern, self.axes)
        return pattern
