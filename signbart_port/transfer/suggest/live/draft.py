"""The draft of a mapping of schema 2. Nothing is applied."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from signbart_port.transfer.mapping import OWN, Axis
from signbart_port.transfer.suggest.live import units
from signbart_port.transfer.suggest.live.layers import Stack
from signbart_port.transfer.suggest.live.leftovers import Kept
from signbart_port.transfer.suggest.live.pairing import Classes, Paired, Pairing, paired
from signbart_port.transfer.suggest.live.units import LAYER, Unit
from signbart_port.transfer.suggest.search import Line
from signbart_port.transfer.suggest.text import placeholder, plain, quoted, rule

_SIDES = ("torch", "keras")
_MOST = 40  # tensors without a place that are listed


@dataclass
class Draft:
    """A mapping that is proposed. In the lines with a doubt something is guessed."""

    lines: list[Line] = field(default_factory=list)
    kinds: dict[str, tuple[str, ...]] = field(default_factory=dict)
    axes: dict[str, Axis] = field(default_factory=dict)
    ignored: tuple[dict[str, str], dict[str, str]] = field(default_factory=lambda: ({}, {}))
    """What may be left behind in PyTorch and in Keras, with the reason."""
    unplaced: dict[str, Kept] = field(default_factory=dict)
    """PyTorch's tensors without a place."""
    unfilled: dict[str, Kept] = field(default_factory=dict)
    """Keras' variables that nothing fills."""

    @property
    def guesses(self) -> int:
        """The number of lines of which something is guessed."""
        return sum(bool(line.doubt) for line in self.lines)

    def add(self, pairing: Pairing, axis: str) -> None:
        """Add the lines of a pairing, of layers whose number is `axis`; "" outside of layers."""
        number = f"{{{axis}}}"
        for match in pairing.matches:
            tensors = tuple(line.replace(LAYER, number) for line in match.recipe.tensors)
            known = (name for name, lines in self.kinds.items() if lines == tensors)
            kind = next(known, None) or _free(match.recipe.kind, self.kinds)
            self.kinds[kind] = tensors
            torch, keras = (
                unit.path.replace(LAYER, number) for unit in (match.candidate, match.slot)
            )
            doubt = f"a guess: {'; '.join(match.doubts)}" if match.doubts else ""
            self.lines.append(Line(torch, keras, kind, {}, doubt))

    def text(self, family: str) -> str:
        """Return the mapping file."""
        return "\n".join(self._lines(family)) + "\n"

    def _lines(self, family: str) -> Iterator[str]:
        yield "# A draft: read every line. What is marked with guess: true is refused until you"
        yield "# have looked it up in the code of both models, and taken out the mark."
        yield "schema: 2"
        yield f"family: {plain(family)}"
        if self.axes:
            yield "\naxes:"
            yield from (f"  {name}: {placeholder(axis)}" for name, axis in self.axes.items())
        yield "\nkinds:" if self.kinds else "\nkinds: {}"
        for name, tensors in self.kinds.items():
            yield f"  {name}:"
            yield from (f"    - {tensor}" for tensor in tensors)
        yield "\nmodules:" if self.lines else "\nmodules: []"
        yield from (f"  - {rule(line)}" for line in self.lines)
        if any(self.ignored):
            yield "\nignore:"
        for side, ignored in zip(_SIDES, self.ignored, strict=True):
            if ignored:
                yield f"  {side}:"
            for name, why in ignored.items():
                yield f"    - {{match: {quoted(name)}, why: {quoted(why)}}}"
        for side, left in zip(_SIDES, (self.unplaced, self.unfilled), strict=True):
            yield from (f"# {line}".rstrip() for line in _left(side, left))


def _left(side: str, left: Mapping[str, Kept]) -> Iterator[str]:
    """Yield lines for `ignore` that lack a reason."""
    if left:
        yield ""
        yield "No place was found for these. Only what both models compute the same without"
        yield f"may be left out: with your reason, under ignore, {side}:"
    for name, kept in list(left.items())[:_MOST]:
        size = "×".join(map(str, kept.shape)) or "scalar"
        yield f'  - {{match: {quoted(name)}, why: "..."}}  # {size}'
    if len(left) > _MOST:
        yield f"  and {len(left) - _MOST} more"


def draft(
    torch: Mapping[str, Kept],
    keras: Mapping[str, Kept],
    classes: Classes,
    ties: Iterable[Sequence[str]] = (),
) -> Draft:
    """Draft a mapping of two models' tensors, by name.

    `classes` are those of PyTorch's modules by path, `ties` the names of tensors that are one.
    """
    made = Draft()
    sides: list[dict[str, Kept]] = []
    for of_keras, all_kept in enumerate((torch, keras)):
        left = {
            name: kept.why_left(name, of_keras=bool(of_keras)) for name, kept in all_kept.items()
        }
        made.ignored[of_keras].update({name: why for name, why in left.items() if why})
        sides.append({name: kept for name, kept in all_kept.items() if not left[name]})
    shapes = [{n: k.shape for n, k in side.items() if k.floating} for side in sides]
    found = paired(units.of_torch(shapes[0], ties), units.of_keras(shapes[1]), classes)
    made.add(found.outside, "")
    for stack, other, pairing in found.stacks:
        name = _free(_axis_name(stack) if len(found.stacks) > 1 else "layer", made.axes)
        made.axes[name] = _axis(stack, other, name)
        made.add(pairing, name)
    placed: list[set[str]] = [set(), set()]
    for numbers, pairing in _numbered(found):
        for match in pairing.matches:
            placed[0].update(_names(match.candidate, ".", numbers[0]))
            placed[1].update(_names(match.slot, "/", numbers[1]))
    made.unplaced.update({n: k for n, k in sides[0].items() if n not in placed[0]})
    made.unfilled.update({n: k for n, k in sides[1].items() if n not in placed[1]})
    return made


def _numbered(found: Paired) -> Iterator[tuple[tuple[Sequence[str], Sequence[str]], Pairing]]:
    """Yield every pairing with the numbers of its layers on both sides."""
    yield (("",), ("",)), found.outside
    for stack, other, pairing in found.stacks:
        yield (stack.numbers, other.numbers), pairing


def _names(unit: Unit, joint: str, numbers: Iterable[str]) -> Iterator[str]:
    for number in numbers:
        for name in unit.names:
            path = name if unit.path == OWN else f"{unit.path}{joint}{name}"
            yield path.replace(LAYER, number)


def _axis_name(stack: Stack) -> str:
    """Return a name for the number of a stack's layers: `encoder_layer`."""
    name = re.sub(r"\W+", "_", stack.prefix).strip("_").rstrip("s")
    return name if name[:1].isalpha() else f"layer_{name}".strip("_")


def _axis(stack: Stack, other: Stack, name: str) -> Axis:
    if stack.counted and other.counted:
        return Axis(range=f"{name}s", start=stack.first, keras_start=other.first)
    return Axis(stack.numbers, other.numbers)


def _free(name: str, taken: Container[str]) -> str:
    """Return a name that is not taken."""
    others = (f"{name}_{number}" for number in count(2))
    return name if name not in taken else next(one for one in others if one not in taken)
