"""The units of PyTorch and those of Keras that belong together, by shapes, names and order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from signbart_port.transfer.suggest.assignment import SURE, exchanged, loss
from signbart_port.transfer.suggest.live.layers import Stack, blocks, stacks
from signbart_port.transfer.suggest.live.recipes import Recipe, recipe
from signbart_port.transfer.suggest.live.units import LAYER, Unit, in_threes, is_fused_by_name
from signbart_port.transfer.suggest.meanings import Meanings, meanings, similarity

Classes = Mapping[str, str]
"""The classes of PyTorch's modules by path, as far as they are known."""
Order = Mapping[Unit, int]
_UNSETTLED = "its name does not settle its place"
_CROSSED = "its name says one place, its order another"
_IN_ORDER = SURE / 4  # what the same place in the order counts: never enough to settle one


@dataclass(frozen=True, eq=False)
class Match:
    """A unit of PyTorch in one of Keras."""

    candidate: Unit
    slot: Unit
    recipe: Recipe
    names: float
    same: bool
    """Whether their names mean the same."""
    doubts: tuple[str, ...] = ()

    @property
    def both(self) -> tuple[Unit, Unit]:
        return self.candidate, self.slot


@dataclass(frozen=True)
class Pairing:
    """What belongs together of two models, or of two of their stacks."""

    matches: tuple[Match, ...]
    torch: tuple[Unit, ...]
    """PyTorch's units without a place."""
    keras: tuple[Unit, ...]
    """Keras' units that nothing fills."""

    @property
    def score(self) -> float:
        return sum(1 + m.names for m in self.matches) - len(self.torch) - len(self.keras)


@dataclass(frozen=True)
class Paired:
    """A pairing of two models."""

    outside: Pairing
    """What is in no stack."""
    stacks: tuple[tuple[Stack, Stack, Pairing], ...]


def paired(torch: Sequence[Unit], keras: Sequence[Unit], classes: Classes) -> Paired:
    """Pair the units of two models."""
    torch, keras = _alike(torch, keras)
    (torch_stacks, torch_rest), (keras_stacks, keras_rest) = stacks(torch), stacks(keras)
    possible = []
    for n, stack in enumerate(torch_stacks):
        for m, other in enumerate(keras_stacks):
            if len(stack.numbers) != len(other.numbers):
                continue
            found = _pair(stack.units, other.units, classes, stack.numbers[0])
            score = found.score + similarity(_meant(stack.prefix), _meant(other.prefix))
            if found.matches and found.score > 0:
                possible.append((score, -abs(n - m), stack, other, found))
    chosen: list[tuple[Stack, Stack, Pairing]] = []
    for *_, stack, other, found in sorted(possible, key=lambda one: one[:2], reverse=True):
        if all(stack is not a and other is not b for a, b, _ in chosen):
            chosen.append((stack, other, found))
    # What is a stack on one side alone is no stack.
    for stack in torch_stacks:
        torch_rest += [] if any(stack is a for a, *_ in chosen) else stack.members
    for other in keras_stacks:
        keras_rest += [] if any(other is b for _, b, _ in chosen) else other.members
    order = {id(unit): n for n, unit in enumerate((*torch, *keras))}
    torch_rest.sort(key=lambda unit: order[id(unit)])
    keras_rest.sort(key=lambda unit: order[id(unit)])
    chosen.sort(key=lambda one: order[id(one[0].members[0])])
    within = [_pair(*block, classes, "") for block in blocks(torch_rest, keras_rest)]
    placed = {unit for one in within for match in one.matches for unit in match.both}
    rest, other_rest = (
        [unit for unit in rest if unit not in placed] for rest in (torch_rest, keras_rest)
    )
    outside = _pair(rest, other_rest, classes, "")
    matches = [match for one in (*within, outside) for match in one.matches]
    matches.sort(key=lambda match: order[id(match.slot)])
    return Paired(replace(outside, matches=tuple(matches)), tuple(chosen))


def _alike(torch: Sequence[Unit], keras: Sequence[Unit]) -> tuple[Sequence[Unit], Sequence[Unit]]:
    """Take query, key and value of one side as one, where the other has them in one tensor."""
    fused = [sum(map(is_fused_by_name, units)) for units in (torch, keras)]
    if fused[0] and not fused[1]:
        return torch, in_threes(keras, "/")
    if fused[1] and not fused[0]:
        return in_threes(torch, "."), keras
    return torch, keras


def _pair(torch: Sequence[Unit], keras: Sequence[Unit], classes: Classes, number: str) -> Pairing:
    """Pair units so that their names agree as well as possible; where the names leave it open, the
    order decides. `number` is that of the layer whose classes count, "" outside of layers."""
    places = [_places(units) for units in (torch, keras)]
    meant = {u: meanings(u.said.replace("/", "."), in_layer=bool(number)) for u in keras}
    at: dict[tuple[Unit, Unit], Match] = {}
    for unit in torch:
        of_class = classes.get(unit.path.replace(LAYER, number), "")
        said = meanings(unit.said, in_layer=bool(number))
        for other in keras:
            if found := recipe(unit, other, of_class):
                apart = abs(places[0][unit] - places[1][other])
                names = similarity(said, meant[other]) + _IN_ORDER * (1 - apart)
                at[unit, other] = Match(unit, other, found, names, said == meant[other])
    pairs: list[Match] = []
    live = sorted(at.values(), key=lambda one: one.names, reverse=True)
    while live:
        best = live[0]
        pairs.append(best)
        live = [p for p in live if p.candidate is not best.candidate and p.slot is not best.slot]
    while better := exchanged(pairs, at):
        pairs = better
    order = {unit: n for units in (torch, keras) for n, unit in enumerate(units)}
    pairs.sort(key=lambda one: order[one.slot])
    placed, filled = {one.candidate for one in pairs}, {one.slot for one in pairs}
    return Pairing(
        tuple(_with_doubts(one, pairs, at, order) for one in pairs),
        tuple(unit for unit in torch if unit not in placed),
        tuple(unit for unit in keras if unit not in filled),
    )


def _with_doubts(
    match: Match, pairs: Sequence[Match], at: Mapping[tuple[Unit, Unit], Match], order: Order
) -> Match:
    """Return a match with what is open about it: that it is another one of those `at` shapes."""
    open_ones = []
    if loss(match, pairs, at) < SURE:
        open_ones.append(_UNSETTLED)
    elif not match.same and any(
        (order[match.candidate] < order[one.candidate]) != (order[match.slot] < order[one.slot])
        for one in pairs
        if one is not match
        if (match.candidate, one.slot) in at and (one.candidate, match.slot) in at
    ):
        open_ones.append(_CROSSED)
    return replace(match, doubts=(*open_ones, *match.recipe.doubts))


def _places(units: Sequence[Unit]) -> dict[Unit, float]:
    """Return the place of each unit among those of the same shapes, from 0 to 1."""
    alike: defaultdict[Hashable, list[Unit]] = defaultdict(list)
    for unit in units:
        sizes = tuple(sorted(sorted(tensor.shapes[0]) for tensor in unit.tensors.values()))
        alike[str(sizes)].append(unit)
    return {
        unit: n / max(1, len(group) - 1) for group in alike.values() for n, unit in enumerate(group)
    }


def _meant(prefix: str) -> Meanings:
    return meanings(prefix.replace("/", ".").strip("._"))
