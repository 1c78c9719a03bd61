"""The axes of a tensor on both sides, in the notation of einops:
`(heads width) in -> in heads width`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

_MOST = 8
_GROUP = re.compile(r"\(([^()]*)\)|([^\s()]+)")
_NAME = re.compile(r"[^\W\d]\w{0,40}")

Group = tuple[str, ...]
"""The names whose product is the length of an axis; none for an axis of length 1."""


@dataclass(frozen=True)
class Axes:
    """The names of a tensor's axes, in PyTorch's order and in Keras'."""

    torch: tuple[Group, ...]
    keras: tuple[Group, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every name, in PyTorch's order."""
        return tuple(name for group in self.torch for name in group)

    @property
    def in_keras(self) -> tuple[str, ...]:
        """Every name, in Keras' order."""
        return tuple(name for group in self.keras for name in group)

    @property
    def plain(self) -> bool:
        """Whether every axis of both sides has one name."""
        return all(len(group) == 1 for group in (*self.torch, *self.keras))

    def shapes(self, sizes: Mapping[str, int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the shape in PyTorch, and that in Keras."""
        torch, keras = (
            tuple(prod(sizes[name] for name in group) for group in side)
            for side in (self.torch, self.keras)
        )
        return torch, keras

    def __str__(self) -> str:
        torch, keras = _text(self.torch), _text(self.keras)
        return torch if torch == keras else f"{torch} -> {keras}"


def parse(text: str) -> Axes:
    """Read the axes of both sides; without an arrow they are the same.

    Raises ValueError, with words for the user, for what is no such notation.
    """
    sides = text.split("->")
    if len(sides) > 2:
        raise ValueError("there is more than one arrow")
    axes = Axes(_groups(sides[0]), _groups(sides[-1]))
    for side in (axes.names, axes.in_keras):
        if twice := next((name for name in side if side.count(name) > 1), None):
            raise ValueError(f"the axis {twice} is there twice")
    if lone := sorted(set(axes.names) ^ set(axes.in_keras)):
        raise ValueError(f"the axis {lone[0]} is on one side only")
    return axes


def of_dims(dims: tuple[str, ...], *, reverse: bool) -> Axes:
    """Return the axes of a tensor with a name for each; in Keras in `reverse` order."""
    torch = tuple((name,) for name in dims)
    return Axes(torch, torch[::-1] if reverse else torch)


def _groups(text: str) -> tuple[Group, ...]:
    if _GROUP.sub("", text).strip():
        raise ValueError("its brackets do not match")
    groups = [
        tuple(within.split()) if alone == "" else () if alone == "1" else (alone,)
        for within, alone in _GROUP.findall(text)
    ]
    if len(groups) > _MOST or any(len(group) > _MOST for group in groups):
        raise ValueError(f"it has more than {_MOST} axes")
    for name in (name for group in groups for name in group):
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name[:40]!r} is no name of an axis")
    return tuple(groups)


def _text(groups: tuple[Group, ...]) -> str:
    return " ".join(
        group[0] if len(group) == 1 else f"({' '.join(group)})" if group else "1"
        for group in groups
    )
