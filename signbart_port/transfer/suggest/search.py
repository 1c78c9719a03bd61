"""Rules for the names of a checkpoint that a mapping does not know: proposals, applied by nobody.

Modules are recognized by shapes, layers by what repeats. Each is compared with the slots of the
Keras model of its kind and sizes, and the one with the nearest name is proposed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import permutations, takewhile

from signbart_port.transfer.mapping import Axis, WeightMapping
from signbart_port.transfer.sizes import Shape
from signbart_port.transfer.suggest.meanings import Meanings, meanings, similarity
from signbart_port.transfer.suggest.modules import Kind, Module, modules
from signbart_port.transfer.suggest.slots import Candidate, Match, Placing, Slot, match, slots

_MOST_STACKS = 30  # bounds the search in a checkpoint of very many
_GUESS = "a guess: its name does not settle it"


@dataclass(frozen=True)
class Line:
    """A proposed line of `modules`."""

    torch: str
    keras: str
    kind: str
    sizes: Mapping[str, str]
    doubt: str = ""  # why it is a guess; "" if it is none


@dataclass(frozen=True)
class Suggestions:
    """Proposals for a mapping of a checkpoint's names."""

    lines: tuple[Line, ...]  # in the order of SignBART's own mapping
    kinds: Mapping[str, Kind]  # those that the lines use
    axes: Mapping[str, Axis]  # those that the lines use
    unplaced: Mapping[str, Shape]  # tensors without a slot: name -> shape
    unfilled: tuple[str, ...]  # slots without a tensor, by their Keras names
    sizes: Mapping[str, int]
    """The config's: those that were known, and those that the placed tensors' shapes give."""

    @property
    def guesses(self) -> int:
        """The number of lines whose name does not settle their place."""
        return sum(bool(line.doubt) for line in self.lines)


def suggest(
    own: WeightMapping,
    shapes: Mapping[str, Shape],
    sizes: Mapping[str, int],
    *,
    mapped: Set[str] = frozenset(),
    filled: Set[str] = frozenset(),
    axes: Mapping[str, Axis] | None = None,
) -> Suggestions:
    """Propose rules for a checkpoint's tensors of these `shapes` (all of them, PyTorch's, by name).

    `own` is SignBART's own mapping, which has the slots. `sizes` are the config's as far as they
    are known. `mapped` are the tensors, and `filled` the Keras ones, that rules have already;
    `axes` are those of the user's mapping.
    """
    return _Search(own, shapes, sizes, mapped, filled, axes or {}).run()


class _Search:
    def __init__(
        self,
        own: WeightMapping,
        shapes: Mapping[str, Shape],
        sizes: Mapping[str, int],
        mapped: Set[str],
        filled: Set[str],
        axes: Mapping[str, Axis],
    ) -> None:
        self.slots = slots(own)
        in_layer = Counter(slot.layers for slot in self.slots if slot.layers)
        kinds = list(dict.fromkeys(rule.leaves for rule in own.rules))
        self.modules = modules(shapes, kinds, smallest_layer=min(in_layer.values()))
        self.layers = tuple(in_layer)
        self.known_sizes = sizes
        self.sizes = _common_size(own, shapes) | dict(sizes)
        self.mapped, self.filled, self.axes = mapped, filled, axes

    def run(self) -> Suggestions:
        stacks = self.stacks()
        free = [m for m in self.modules if any(name not in self.mapped for name, _ in m.tensors())]
        unfilled = [slot for slot in self.slots if not self.is_filled(slot)]
        pairs: list[Placing] = []
        lines: dict[Slot, list[Line]] = {}
        for layers in (*self.layers, ""):
            found = self.match(layers, stacks, free, unfilled)
            self.sizes = found.sizes
            pairs += found.pairs
            for pair in found.pairs:
                lines[pair.slot] = list(self.lines(pair, _GUESS if pair in found.unsure else ""))
        placed = {pair.candidate.module for pair in pairs}
        return Suggestions(
            lines=tuple(line for slot in self.slots for line in lines.get(slot, ())),
            kinds={_kind(pair): _leaves(pair) for pair in pairs},
            axes=dict(axis for pair in pairs if (axis := self.axis(pair))),
            unplaced={
                name: shape
                for module in free
                if module not in placed
                for name, shape in module.tensors()
                if name not in self.mapped
            },
            unfilled=tuple(slot.keras for slot in unfilled if slot not in lines),
            sizes=self.sizes if pairs else self.known_sizes,
        )

    def stacks(self) -> dict[str, str]:
        """Return which stack of the checkpoint is which (size that counts the layers -> stack): the
        one whose layers match best."""
        inside = Counter(m.stack for m in self.modules if m.stack is not None)
        names = [name for name, _ in inside.most_common(_MOST_STACKS)]
        scores: dict[tuple[str, str | None], float] = {}
        for layers in self.layers:
            for name in names:
                found = self.match(layers, {layers: name}, self.modules, self.slots)
                alike = similarity(meanings(name), self.stack_meanings(layers))
                scores[layers, name] = found.score + alike
        none = [None] * max(0, len(self.layers) - len(names))
        best = max(
            permutations([*names, *none], len(self.layers)),
            key=lambda chosen: sum(
                scores.get(pair, 0.0) for pair in zip(self.layers, chosen, strict=True)
            ),
        )
        chosen = zip(self.layers, best, strict=True)
        return {layers: name for layers, name in chosen if name is not None}

    def match(
        self,
        layers: str,
        stacks: Mapping[str, str],
        modules: Iterable[Module],
        slots: Iterable[Slot],
    ) -> Match:
        """Match the modules and slots of one stack, or those of none."""
        candidates = [
            Candidate(module, self.said(module, stacks))
            for module in modules
            if module.stack == stacks.get(layers) and bool(module.numbers) == bool(layers)
            if {"{", "}"}.isdisjoint(module.path("".join(module.shapes)))  # no pattern spells these
        ]
        found = match(candidates, [p for p in slots if p.layers == layers], self.sizes)
        if layers and found.pairs:
            found.sizes.setdefault(layers, len(self.numbers(stacks[layers])))
        return found

    def said(self, module: Module, stacks: Mapping[str, str]) -> Meanings:
        """Return the meaning of a module's name; for one beside a stack, `tower_a.pos`, with its
        stack."""
        if module.numbers:
            return meanings(module.name[1], in_layer=True)
        parts = module.name[0].split(".")
        shared = {layers: _shared(parts, name.split(".")) for layers, name in stacks.items()}
        most = max(shared.values(), default=0)
        nearest = [layers for layers, count in shared.items() if count == most]
        if not most or len(nearest) > 1:
            return meanings(module.name[0])
        return self.stack_meanings(nearest[0]) | meanings(".".join(parts[most:]))

    def numbers(self, stack: str | None) -> list[str]:
        """Return the numbers of a stack's layers, whichever modules are in each."""
        numbers = {n for module in self.modules if module.stack == stack for n in module.numbers}
        return sorted(numbers, key=lambda number: (int(number), number))

    def stack_meanings(self, layers: str) -> Meanings:
        return next(slot.stack for slot in self.slots if slot.layers == layers)

    def is_filled(self, slot: Slot) -> bool:
        paths = [slot.keras]
        if slot.layers:
            numbers = range(self.sizes.get(slot.layers, 1))
            paths = [slot.keras.replace(f"{{{slot.axis}}}", str(n)) for n in numbers]
        return all(f"{path}/{leaf.keras}" in self.filled for path in paths for leaf in slot.kind)

    def axis(self, pair: Placing) -> tuple[str, Axis] | None:
        """Return the axis that counts the layers of a pair; None if there are none, or if their
        numbers have gaps."""
        numbers = self.numbers(pair.candidate.module.stack)
        start = int(numbers[0]) if numbers else 0
        if not numbers or numbers != [str(start + i) for i in range(len(numbers))]:
            return None
        wanted = Axis(range=pair.slot.layers, start=start)
        for name, axis in self.axes.items():
            if replace(axis, line=0) == wanted:
                return name, axis
        name = pair.slot.axis
        return (f"{name}_from_{start}" if name in self.axes else name), wanted

    def lines(self, pair: Placing, doubt: str) -> Iterator[Line]:
        """Yield one line or, if no axis counts as the checkpoint does, one line per layer."""
        module, slot = pair.candidate.module, pair.slot
        sizes = {dim: str(slot.rule.dims[dim]) for dim in pair.fit.dims}
        if axis := self.axis(pair):
            numbers = {f"{{{axis[0]}}}": f"{{{axis[0]}}}"}
        else:
            of_stack = self.numbers(module.stack)
            numbers = {number: str(of_stack.index(number)) for number in module.numbers}
        for theirs, ours in (numbers or {"": ""}).items():
            keras = slot.keras.replace(f"{{{slot.axis}}}", ours)
            yield Line(module.path(theirs), keras, _kind(pair), sizes, doubt)


def _common_size(own: WeightMapping, shapes: Mapping[str, Shape]) -> dict[str, int]:
    """Return the size that most modules have: the length that most tensors have."""
    sizes = Counter(size.name for rule in own.rules for size in rule.dims.values())
    lengths = Counter(length for shape in shapes.values() for length in set(shape))
    return {sizes.most_common(1)[0][0]: lengths.most_common(1)[0][0]} if lengths else {}


def _shared(a: Sequence[str], b: Sequence[str]) -> int:
    """Return how many leading parts two paths have in common."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def _kind(pair: Placing) -> str:
    """Return the kind's own name, or one for a kind with other tensor names."""
    names = pair.fit.names
    if names == tuple(leaf.torch for leaf in pair.slot.kind):
        return pair.slot.rule.kind
    return "_".join([pair.slot.rule.kind, *(name or "parameter" for name in names)])


def _leaves(pair: Placing) -> Kind:
    return tuple(
        replace(leaf, torch=name) for leaf, name in zip(pair.slot.kind, pair.fit.names, strict=True)
    )
