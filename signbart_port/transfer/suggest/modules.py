"""The modules of a checkpoint, found by names and shapes alone, with equal layers as one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from signbart_port.transfer.folding import Template
from signbart_port.transfer.mapping import Leaf
from signbart_port.transfer.sizes import Shape

Kind = tuple[Leaf, ...]
_DIGITS = re.compile(r"[0-9]+")
_FUSED = re.compile(r"(?:^|[._])(?:in_proj|w?qkv|c_attn|query_key_value)(?:$|[._])", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Module:
    """Tensors that stand side by side in one or more layers.

    A tensor that belongs to no module is one by itself; the last part of its name is "".
    """

    name: Template
    """Two parts, before and after the layer's number, if it is in a layer; otherwise one part."""
    numbers: tuple[str, ...]  # the numbers of its layers as they are written, () if it is in none
    shapes: Mapping[str, Shape]  # by the last part of the tensors' names

    @property
    def stack(self) -> str | None:
        """The path before the layer's number; None if there is none."""
        return self.name[0] if self.numbers else None

    def path(self, number: str) -> str:
        """Return its path in a layer; the number may be a placeholder."""
        return number.join(self.name)

    def tensors(self) -> Iterator[tuple[str, Shape]]:
        for number in self.numbers or ("",):
            for leaf, shape in self.shapes.items():
                path = self.path(number)
                yield f"{path}.{leaf}" if leaf else path, shape


def modules(
    shapes: Mapping[str, Shape], kinds: Sequence[Kind], smallest_layer: int
) -> tuple[Module, ...]:
    """Return the modules of tensors of these names and shapes, in the order of the file.

    `kinds` are the kinds of layer to look for. A number is a layer's if as many modules share it as
    the smallest layer of the kinds has: `fc1` or an item in a list of norms is no layer.
    """
    by_path = dict(_side_by_side(shapes, kinds))
    within: Counter[str] = Counter()
    for path, own in by_path.items():
        stands_for = 3 if any(map(is_fused, (path, *own))) else 1
        for digits in _DIGITS.finditer(path):
            within[path[: digits.end()]] += stands_for
    alike: dict[tuple[Template, tuple[tuple[str, Shape], ...]], list[str]] = {}
    for path, own in by_path.items():
        layers = [
            digits
            for digits in _DIGITS.finditer(path)
            if within[path[: digits.end()]] >= smallest_layer
        ]
        name: Template = (path,)
        if layers:
            name = path[: layers[-1].start()], path[layers[-1].end() :]
        numbers = alike.setdefault((name, tuple(own.items())), [])
        numbers += [layers[-1][0]] if layers else []
    return tuple(
        Module(name, tuple(sorted(numbers, key=int)), dict(own))
        for (name, own), numbers in alike.items()
    )


def is_fused(path: str) -> bool:
    """Return whether a tensor or module holds query, key and value in one, by its name."""
    return _FUSED.search(path) is not None


def _side_by_side(
    shapes: Mapping[str, Shape], kinds: Sequence[Kind]
) -> Iterator[tuple[str, Mapping[str, Shape]]]:
    """Yield the tensors that together are of a kind, by their path; any other by itself."""
    leaves: dict[tuple[str, str], dict[str, Shape]] = {}
    for name, shape in shapes.items():
        path, dot, leaf = name.rpartition(".")
        leaves.setdefault((path, dot), {})[leaf] = shape
    known = {tuple(leaf.torch for leaf in kind) for kind in kinds}
    for (path, dot), own in leaves.items():
        together = path and all(own) and (len(own) > 1 or tuple(own) in known)
        if together and any(fit(own, kind) for kind in kinds):
            yield path, own
        else:
            yield from ((f"{path}{dot}{leaf}", {"": shape}) for leaf, shape in own.items())


@dataclass(frozen=True)
class Fit:
    """A way in which tensors are those of a kind."""

    dims: Mapping[str, int]  # the lengths of the kind's dimensions
    names: tuple[str, ...]  # the names that stand for its tensors, in its order


def fit(shapes: Mapping[str, Shape], kind: Kind) -> Fit | None:
    """Return how tensors of these shapes are those of `kind`.

    If the shapes leave a choice, the names decide, and then their order.
    """
    if len(shapes) != len(kind):
        return None
    fits = [
        Fit(dims, names)
        for names in permutations(shapes)
        if (dims := _dims([shapes[name] for name in names], kind)) is not None
    ]
    return max(fits, key=lambda fit: _likeness(fit.names, kind), default=None)


def _dims(shapes: Sequence[Shape], kind: Kind) -> dict[str, int] | None:
    dims: dict[str, int] = {}
    for shape, leaf in zip(shapes, kind, strict=True):
        if len(shape) != len(leaf.dims):
            return None
        for dim, length in zip(leaf.dims, shape, strict=True):
            if dims.setdefault(dim, length) != length:
                return None
    return dims


def _likeness(names: Sequence[str], kind: Kind) -> int:
    """Return how many names are the kind's own, or begin like its own on either side."""
    return sum(
        3 * (name == leaf.torch) + (name[:1].lower() in (leaf.torch[:1], leaf.keras[:1]))
        for name, leaf in zip(names, kind, strict=True)
    )
