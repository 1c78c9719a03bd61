"""The slots of the Keras model, as SignBART's own mapping names them, and what fits into them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from signbart_port.transfer.mapping import Axis, Rule, WeightMapping
from signbart_port.transfer.suggest.assignment import SURE, exchanged, loss
from signbart_port.transfer.suggest.meanings import Meanings, meanings, similarity
from signbart_port.transfer.suggest.modules import Fit, Kind, Module, fit


@dataclass(frozen=True, eq=False)
class Slot:
    """A module of the Keras model, the same in every layer."""

    keras: str  # its name in Keras, with a placeholder for the layer's number
    torch: str  # its name in SignBART's own checkpoints, with the same placeholder
    axis: str  # the placeholder; "" if it is in no layer
    layers: str  # the size that counts the layers; "" if it is in none
    rule: Rule

    @property
    def kind(self) -> Kind:
        return self.rule.leaves

    @property
    def meanings(self) -> Meanings:
        """The meanings of its name, within its layer."""
        return meanings(self.torch.rpartition("}.")[2], in_layer=bool(self.layers))

    @property
    def stack(self) -> Meanings:
        """The meanings of the name of its stack."""
        return meanings(self.torch.partition("{")[0])

    def takes(self, module: Module, sizes: Mapping[str, int]) -> Fit | None:
        """Return how `module` fits this slot by its kind and by the sizes that are known."""
        if bool(self.layers) != bool(module.numbers):
            return None
        if (found := fit(module.shapes, self.kind)) is None:
            return None
        # A size may be a module's twice: of a square kernel, say.
        known = dict(sizes)
        agree = all(known.setdefault(n, s) == s and s > 0 for n, s in self.sizes(found))
        return found if agree else None

    def sizes(self, found: Fit) -> Iterator[tuple[str, int]]:
        """Yield the config's sizes that a fitting module determines."""
        for dim, size in self.rule.dims.items():
            yield size.name, found.dims[dim] - size.plus


def slots(own: WeightMapping) -> tuple[Slot, ...]:
    """Return the slots that SignBART's own mapping fills, with every axis but the layers' written
    out."""
    ranges = {name: axis.range for name, axis in own.axes.items() if axis.range}
    folded = replace(own, axes={**own.axes, **{n: Axis(values=(f"{{{n}}}",)) for n in ranges}})
    found = []
    for rule in own.rules:
        for values in folded.expand(rule.torch, {}):
            axis = next((name for name in values if name in ranges), "")
            names = rule.keras.format(**values), rule.torch.format(**values)
            found.append(Slot(*names, axis, ranges.get(axis, ""), rule))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A module that is to be placed, and the meaning of its name."""

    module: Module
    meanings: Meanings


@dataclass(frozen=True, eq=False)
class Placing:
    """A candidate in a slot."""

    candidate: Candidate
    slot: Slot
    fit: Fit
    names: float  # how well their names agree, from 0 to 1


@dataclass
class Match:
    """The candidates that stand for slots."""

    pairs: list[Placing] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    """The config's as far as they are known: the first module of a size decides."""
    unsure: list[Placing] = field(default_factory=list)  # the pairs whose names do not decide

    @property
    def score(self) -> float:
        return sum(1 + pair.names for pair in self.pairs)


def match(
    candidates: Sequence[Candidate], slots: Sequence[Slot], sizes: Mapping[str, int]
) -> Match:
    """Place the candidates by kind and sizes, so that the names agree as well as possible.

    If the names leave it open, the order of the file decides.
    """
    found = Match(sizes=dict(sizes))
    possible = live = _possible(candidates, slots, sizes)
    while live:
        best = max(live, key=lambda pair: pair.names)
        found.pairs.append(best)
        found.sizes |= dict(best.slot.sizes(best.fit))
        live = [
            pair
            for pair in live
            if pair.candidate is not best.candidate and pair.slot is not best.slot
            if pair.slot.takes(pair.candidate.module, found.sizes)
        ]
    rest = [pair for pair in possible if pair.slot.takes(pair.candidate.module, found.sizes)]
    at = {(pair.candidate, pair.slot): pair for pair in rest}
    while better := exchanged(found.pairs, at):
        found.pairs = better
    found.unsure = [p for p in found.pairs if not p.names or loss(p, found.pairs, at) < SURE]
    return found


def _possible(
    candidates: Sequence[Candidate], slots: Sequence[Slot], sizes: Mapping[str, int]
) -> list[Placing]:
    """Return every pair that kinds and sizes allow, in order."""
    # The rules of a mapping stand in any order; but what is called final comes last.
    slots = sorted(slots, key=lambda slot: "final" in slot.meanings)
    return [
        Placing(candidate, slot, found, similarity(candidate.meanings, slot.meanings))
        for candidate in _counted(candidates)
        for slot in slots
        if (found := slot.takes(candidate.module, sizes))
    ]


def _counted(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return modules in the order of the file, with `norm1`, `norm2` and `norm3` in theirs."""
    first: dict[str, int] = {}

    def order(candidate: Candidate) -> tuple[int, list[int]]:
        path = candidate.module.path("")
        alike = re.sub(r"[0-9]+", "0", path)
        return first.setdefault(alike, len(first)), [int(n) for n in re.findall(r"[0-9]+", path)]

    return sorted(candidates, key=order)
