"""Layers and blocks that repeat, told by the numbers in their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from signbart_port.transfer.suggest.live.units import LAYER, Unit

_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, eq=False)
class Stack:
    """Layers that have the same units."""

    prefix: str
    numbers: tuple[str, ...]
    units: tuple[Unit, ...]
    """With a placeholder for the number, and the shapes of every layer."""
    members: tuple[Unit, ...]
    """The units of every layer by itself."""

    @cached_property
    def first(self) -> int:
        return int(self.numbers[0])

    @property
    def counted(self) -> bool:
        """Whether the numbers have no gap."""
        counted = range(self.first, self.first + len(self.numbers))
        return self.numbers == tuple(map(str, counted))


def stacks(units: Sequence[Unit]) -> tuple[list[Stack], list[Unit]]:
    """Return the stacks of equal layers, the outermost first, and the units that are in none."""
    found: list[Stack] = []
    taken: set[Unit] = set()
    for prefix, layers in _numbered(units):
        members = [unit for layer in layers.values() for unit in layer.values()]
        if not taken.isdisjoint(members):
            continue
        for own in (False, True):
            if folded := _folded(prefix, layers, own):
                found.append(folded)
                taken.update(members)
                break
    return found, [unit for unit in units if unit not in taken]


def blocks(torch: Sequence[Unit], keras: Sequence[Unit]) -> Iterator[tuple[list[Unit], list[Unit]]]:
    """Yield the units of blocks that belong together though no rule can carry them all: as many
    blocks on both sides, with as many values in each. The largest first, no unit twice."""
    sides = [
        [
            [list(block.values()) for _, block in sorted(found.items(), key=lambda b: int(b[0]))]
            for _, found in _numbered(units)
        ]
        for units in (torch, keras)
    ]
    sizes = [[[sum(u.values for u in block) for block in found] for found in s] for s in sides]
    alike = [
        (sum(size), one, other)
        for one, size in zip(sides[0], sizes[0], strict=True)
        for other, same in zip(sides[1], sizes[1], strict=True)
        if size == same
    ]
    taken: set[Unit] = set()
    for _, one, other in sorted(alike, key=lambda pair: pair[0], reverse=True):
        members = [unit for block in (*one, *other) for unit in block]
        if taken.isdisjoint(members):
            taken.update(members)
            yield from zip(one, other, strict=True)


def _numbered(units: Sequence[Unit]) -> Iterator[tuple[str, dict[str, dict[str, Unit]]]]:
    """Yield what is before a number in the names of units, the shortest first, with the units by
    the number and by what is behind it. Numbers at the end alone (fc1, fc2) count no layers."""
    by_prefix: dict[str, dict[str, dict[str, Unit]]] = {}
    for unit in units:
        for digits in _NUMBER.finditer(unit.said):
            layers = by_prefix.setdefault(unit.said[: digits.start()], {})
            layers.setdefault(digits[0], {})[unit.said[digits.end() :]] = unit
    for prefix in sorted(by_prefix, key=len):
        layers = by_prefix[prefix]
        if len(layers) > 1 and any(suffix for layer in layers.values() for suffix in layer):
            yield prefix, layers


def _folded(prefix: str, layers: Mapping[str, Mapping[str, Unit]], own: bool) -> Stack | None:
    """Return the layers as one, if they are equal; `own`: further numbers that are equal to the
    layer's stand for it too."""
    numbers = sorted(layers, key=lambda number: (int(number), number))

    def shared(text: str, number: str) -> str:
        return re.sub(rf"(?<![0-9]){number}(?![0-9])", LAYER, text) if own else text

    by_number = {n: {shared(s, n): u for s, u in layers[n].items()} for n in numbers}
    first = by_number[numbers[0]]
    for layer in by_number.values():
        if layer.keys() != first.keys():
            return None
        if any(layer[suffix].signature != first[suffix].signature for suffix in first):
            return None
    units = [
        _of_all(prefix, numbers, suffix, [by_number[n][suffix] for n in numbers], shared)
        for suffix in first
    ]
    members = tuple(unit for layer in by_number.values() for unit in layer.values())
    return Stack(prefix, tuple(numbers), tuple(units), members)


def _of_all(
    prefix: str,
    numbers: Sequence[str],
    suffix: str,
    units: Sequence[Unit],
    shared: Callable[[str, str], str],
) -> Unit:
    first, number = units[0], numbers[0]
    path, within = first.path, len(first.path) > len(prefix)
    if within:
        path = f"{prefix}{LAYER}{shared(path[len(prefix) + len(number) :], number)}"
    tensors = {
        role: replace(
            tensor,
            names=tensor.names
            if within
            else tuple(re.sub(rf"(?<=_l){number}(?![0-9])", LAYER, name) for name in tensor.names),
            shapes=tuple(unit.tensors[role].shapes[0] for unit in units),
        )
        for role, tensor in first.tensors.items()
    }
    return replace(first, path=path, said=suffix, tensors=tensors)
