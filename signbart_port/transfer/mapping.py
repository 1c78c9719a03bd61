"""The rules of a mapping file.

`docs/mapping.md` describes the format. Every placeholder is declared under `axes` and expanded
before anything is matched: there are no patterns and no substring replacement, so a mapping reads
the same in both directions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain, product
from math import prod
from pathlib import Path

from signbart_port.errors import PortError, printable
from signbart_port.transfer.axes import Axes

SCHEMA = 2
MOST_NAMES = 200_000
"""That a pattern may stand for."""
OWN = "."
"""The path of the model itself."""
PLACEHOLDER = re.compile(r"\{([^\W\d]\w*)\}")


@dataclass(frozen=True)
class Size:
    """A dimension in terms of the config: the size `name` plus a constant (`max_position_embeddings
    + 2`), or the constant alone."""

    name: str
    plus: int = 0

    def of(self, sizes: Mapping[str, int]) -> int:
        return (sizes[self.name] if self.name else 0) + self.plus

    def __str__(self) -> str:
        return " + ".join(filter(None, [self.name, str(self.plus) if self.plus else ""])) or "0"


@dataclass(frozen=True)
class Axis:
    """The meaning of a placeholder: `values`, or a number for each layer."""

    values: tuple[str, ...] = ()
    keras: tuple[str, ...] = ()  # Keras' names of the values, where they are others
    range: str = ""  # the size that says how many layers there are
    start: int = 0  # the first layer's number in PyTorch
    keras_start: int = 0  # and in Keras
    line: int = 0  # in the mapping file

    def expand(self, sizes: Mapping[str, int]) -> tuple[str, ...]:
        if not self.range:
            return self.values
        return tuple(str(self.start + i) for i in range(sizes[self.range]))

    def in_keras(self, value: str) -> str:
        if self.keras:
            return self.keras[self.values.index(value)]
        return str(self.index(value) + self.keras_start) if self.range else value

    def index(self, value: str) -> int:
        """Return the number of a layer, from 0."""
        return int(value) - self.start


class Join(Enum):
    """How several tensors of the one side are one of the other."""

    CONCAT = "concat"
    STACK = "stack"
    SUM = "sum"
    TIE = "tie"


@dataclass(frozen=True)
class Share:
    """The share of one of `count` tensors in the one of the other side."""

    join: Join
    number: int  # among them, from 0
    count: int
    axis: int = 0  # of the one tensor: concatenated or stacked along it
    of_keras: bool = False  # whether the one is Keras', and the several PyTorch's

    @property
    def placed(self) -> bool:
        """Whether each of the tensors has a place of its own in the one."""
        return self.join in (Join.CONCAT, Join.STACK)


@dataclass(frozen=True)
class Leaf:
    """One tensor of a kind of layer, or one of several that are one on the other side."""

    torch: str  # "" if the rule's path is the tensor's own name: a parameter without a module
    keras: str
    axes: Axes
    share: Share | None = None
    order: tuple[str, tuple[int, ...]] | None = None  # an axis, and Keras' order of its blocks
    cut: tuple[str, int, int] | None = None  # an axis, and what of its start and end Keras lacks
    add: float = 0.0
    lossy: str = ""  # what the way back writes; "" if nothing is lost
    line: int = field(default=0, compare=False)  # in the mapping file

    @property
    def dims(self) -> tuple[str, ...]:
        """The names of the dimensions in PyTorch, where each has one."""
        return self.axes.names

    @property
    def reversed(self) -> bool:
        """Whether Keras has the axes in the reverse order."""
        return self.axes.plain and self.axes.keras == self.axes.torch[::-1] != self.axes.torch


@dataclass(frozen=True)
class Fill:
    """A tensor that one side has and the other has not: every value of it is `value`."""

    torch: str  # "" if it is Keras'
    keras: str
    axes: Axes
    value: float
    line: int


@dataclass(frozen=True)
class Rule:
    """One line under `modules`: a module pattern on both sides, its kind, and the kind's sizes."""

    torch: str
    keras: str
    kind: str
    leaves: tuple[Leaf, ...]
    dims: Mapping[str, Size]
    line: int
    guess: bool = False  # `plan` proposed it, and nobody has looked at it yet
    fills: tuple[Fill, ...] = ()
    shares: Mapping[str, tuple[Size, ...]] = field(default_factory=dict)
    """The sizes that differ among tensors that are one on the other side."""

    def size(self, name: str, leaf: Leaf | Fill) -> Size | None:
        """Return the size of an axis of a tensor; None where the rule leaves it to the models."""
        share = leaf.share if isinstance(leaf, Leaf) else None
        if share and name in self.shares:
            return self.shares[name][share.number]
        return self.dims.get(name)

    @property
    def pattern(self) -> str:
        """The names in PyTorch, with every placeholder of the rule."""
        tensors: tuple[Leaf | Fill, ...] = (*self.leaves, *self.fills)
        return ".".join((self.torch, *(tensor.torch for tensor in tensors)))

    def torch_name(self, tensor: str) -> str:
        """Return the pattern of a tensor's name in PyTorch."""
        return ".".join(part for part in (self.torch, tensor) if part not in ("", OWN))

    def keras_name(self, tensor: str) -> str:
        """Return the pattern of a variable's path in Keras."""
        return "/".join(part for part in (self.keras, tensor) if part not in ("", OWN))


@dataclass(frozen=True)
class Ignored:
    """A tensor that may be left behind, and the reason."""

    match: str
    why: str
    line: int


@dataclass(frozen=True)
class WeightMapping:
    """A checked mapping file."""

    path: Path
    sha256: str
    family: str
    unwrap: tuple[str, ...]
    strip_prefixes: tuple[str, ...]
    axes: Mapping[str, Axis]
    rules: tuple[Rule, ...]
    ignored_torch: tuple[Ignored, ...]
    ignored_keras: tuple[Ignored, ...]
    renamed: tuple[tuple[str, str], ...] = ()
    """The paths that files have for modules, and the model's own; the first that fits counts."""

    def in_file(self, path: str) -> str:
        """Return the path, in a file, of a module of the model; both are patterns."""
        for of_file, of_model in self.renamed:
            if path == of_model or path.startswith(f"{of_model}."):
                return of_file + path.removeprefix(of_model)
        return path

    def at(self, line: int) -> str:
        """Return the place of a rule, for messages: `signbart.yaml:31`."""
        return f"{self.path.name}:{line}"

    def check_sizes(self, sizes: Iterable[str]) -> None:
        """Raise PortError, naming the line, if the mapping uses a size that is not in `sizes`."""
        used = [(axis.range, axis.line) for axis in self.axes.values() if axis.range]
        for rule in self.rules:
            of_rule = (*rule.dims.values(), *chain.from_iterable(rule.shares.values()))
            used += [(size.name, rule.line) for size in of_rule]
        for name, line in used:
            if name and name not in sizes:
                raise PortError(
                    self.path,
                    f"line {line}: the config has no size {printable(name)!r};"
                    f" it has {', '.join(sizes)}",
                )

    def check_settled(self) -> None:
        """Raise PortError, naming the line, if a rule is still a guess: it may be wrong, and the
        proof could not tell, as both sides would have the same weights in the same wrong places."""
        guesses = [rule for rule in self.rules if rule.guess]
        if guesses:
            first = guesses[0]
            names = f"{printable(first.torch, 80)} -> {printable(first.keras, 80)}"
            more = f", and {len(guesses) - 1} more" if len(guesses) > 1 else ""
            raise PortError(
                self.path,
                f"line {first.line}: {names} is a guess{more}",
                "Look it up in the model's code, correct the line, and take out guess: true",
            )

    def expand(self, pattern: str, sizes: Mapping[str, int]) -> Iterator[dict[str, str]]:
        """Yield every assignment of the placeholders of `pattern`, in order, as PyTorch counts."""
        names = list(dict.fromkeys(PLACEHOLDER.findall(pattern)))
        each = [self.axes[name].expand(sizes) for name in names]
        if (count := prod(map(len, each))) > MOST_NAMES:
            shown = printable(pattern, 80)
            raise PortError(
                self.path, f"{shown} stands for {count:,} names, more than any model has"
            )
        for values in product(*each):
            yield dict(zip(names, values, strict=True))

    def in_keras(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the same assignment as Keras counts."""
        return {name: self.axes[name].in_keras(value) for name, value in values.items()}
