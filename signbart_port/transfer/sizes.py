"""The sizes of a model, read off the shapes of its tensors by the rules of a mapping."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from signbart_port.errors import PortError, printable
from signbart_port.transfer.mapping import MOST_NAMES, Fill, Join, Leaf, Rule, Size, WeightMapping

Shape = tuple[int, ...]
_MOST_LAYERS = 1000  # bounds the search in a checkpoint of very many tensors
_NUMBER = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class Named:
    """A tensor of a kind with its names on both sides: none on the side that lacks it."""

    tensor: Leaf | Fill
    torch: str
    keras: str

    @property
    def number(self) -> int:
        """Its number among several tensors that are one on the other side."""
        share = self.tensor.share if isinstance(self.tensor, Leaf) else None
        return share.number if share else 0


@dataclass(frozen=True)
class Instance:
    """A module that a rule names, with its tensors."""

    rule: Rule
    values: Mapping[str, str]
    """What the placeholders stand for in PyTorch."""
    tensors: tuple[Named, ...]


def instances(mapping: WeightMapping, sizes: Mapping[str, int]) -> Iterator[Instance]:
    """Yield every module that the rules name in a model of these sizes."""
    for rule in mapping.rules:
        for values in mapping.expand(rule.pattern, sizes):
            keras = mapping.in_keras(values)
            leaves = (
                Named(
                    leaf,
                    rule.torch_name(leaf.torch).format(**values),
                    rule.keras_name(leaf.keras).format(**keras),
                )
                for leaf in rule.leaves
            )
            fills = (
                Named(
                    fill,
                    fill.torch and rule.torch_name(fill.torch).format(**values),
                    fill.keras and rule.keras_name(fill.keras).format(**keras),
                )
                for fill in rule.fills
            )
            yield Instance(rule, values, (*leaves, *fills))


def torch_names(
    mapping: WeightMapping, sizes: Mapping[str, int]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of PyTorch's tensors that the rules need in a model of these sizes, and
    those that may be absent: what is ignored, and further names of tensors that are tied."""
    needed: set[str] = set()
    others: set[str] = set()
    for instance in instances(mapping, sizes):
        for one in instance.tensors:
            share = one.tensor.share if isinstance(one.tensor, Leaf) else None
            tied = share is not None and share.join is Join.TIE and share.of_keras
            (others if tied and one.number else needed).add(one.torch)
    for ignored in mapping.ignored_torch:
        others |= {ignored.match.format(**v) for v in mapping.expand(ignored.match, sizes)}
    return frozenset(needed - {""}), frozenset(others)


def torch_constants(mapping: WeightMapping, sizes: Mapping[str, int]) -> dict[str, float]:
    """Return the names of PyTorch's tensors that Keras lacks, and the value that each must have."""
    return {
        one.torch: one.tensor.value
        for instance in instances(mapping, sizes)
        for one in instance.tensors
        if isinstance(one.tensor, Fill) and one.torch
    }


def torch_sizes(mapping: WeightMapping, torch: Mapping[str, Shape]) -> dict[str, int]:
    """Return the sizes that PyTorch's tensors determine; a number of layers that none tells is one,
    so that `torch_names` can name what they lack."""
    ranges = {axis.range: 1 for axis in mapping.axes.values() if axis.range}
    return ranges | sizes_from_shapes(mapping, torch)


@dataclass(frozen=True)
class Shapes:
    """The shapes of two models, by PyTorch's names and by Keras' paths; empty: not known."""

    torch: Mapping[str, Shape]
    keras: Mapping[str, Shape]


_Local = tuple[str, int]  # an axis that a rule leaves to the models, and the tensor's number
_Factor = Size | _Local


def sizes_from_shapes(
    mapping: WeightMapping, torch: Mapping[str, Shape], keras: Mapping[str, Shape] = {}
) -> dict[str, int]:
    """Return the sizes that the tensors determine, by the mapping's own rules.

    A number of layers is one more than the highest index in use. Any other size is the one that
    most of the tensors with it have, so that one damaged tensor is the finding, not all the others.
    `torch` are PyTorch's shapes by the tensors' names, `keras` those of the variables by path. A
    size that no tensor tells is absent.
    """
    ranges = {name: axis.range for name, axis in mapping.axes.items() if axis.range}
    # No more layers than tensors, and than the largest number in their names tells; where numbers
    # are nested, no more names than a model has.
    nested = (sum(f"{{{axis}}}" in rule.pattern for axis in ranges) for rule in mapping.rules)
    bound = int(MOST_NAMES ** (1 / max(1, *nested, 1))) // 2
    highest = max((int(one) for name in torch for one in _NUMBER.findall(name)), default=-1)
    at_most = dict.fromkeys(ranges.values(), min(len(torch), _MOST_LAYERS, bound, highest + 1))
    layers: Counter[str] = Counter()
    solved = _Solution({})
    for instance in instances(mapping, at_most):
        present = [one for one in instance.tensors if one.torch in torch]
        for axis in ranges.keys() & instance.values.keys() if present else ():
            index = mapping.axes[axis].index(instance.values[axis])
            layers[ranges[axis]] = max(layers[ranges[axis]], index + 1)
        if present:
            solved.add(_equations(instance, Shapes(torch, keras)), instance)
    solved.solve()
    return dict(layers) | solved.sizes


def axes_of(
    mapping: WeightMapping, instance: Instance, sizes: Mapping[str, int], shapes: Shapes
) -> list[Mapping[str, int]]:
    """Return the length of every axis of each tensor of a module, by name.

    Raises PortError, naming the line, where nothing tells one.
    """
    solved = _Solution(sizes)
    if shapes.torch or shapes.keras:
        solved.add(_equations(instance, shapes), instance)
        solved.solve()
    lengths: list[Mapping[str, int]] = []
    for one in instance.tensors:
        found = {}
        for name in one.tensor.axes.names:
            length = solved.value(_factor(instance.rule, one, name), instance)
            if length is None:
                what = printable(one.torch or one.keras, 80)
                raise PortError(
                    mapping.path,
                    f"line {instance.rule.line}: nothing tells the size of the axis {name} of"
                    f" {what}",
                    f"Give it in the rule, as in {name}: 8",
                )
            found[name] = length
        lengths.append(found)
    return lengths


@dataclass(frozen=True)
class _Equation:
    factors: tuple[_Factor, ...]
    length: int


class _Solution:
    """The sizes that equations have, as far as they tell them: of the config, and of modules."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = dict(sizes)
        self._local: dict[tuple[int, _Local], int] = {}
        self._equations: list[tuple[_Equation, Instance]] = []

    def add(self, equations: Iterable[_Equation], instance: Instance) -> None:
        self._equations += ((equation, instance) for equation in equations)

    def value(self, factor: _Factor, instance: Instance) -> int | None:
        if isinstance(factor, Size):
            return factor.of(self.sizes) if factor.name in ("", *self.sizes) else None
        return self._local.get((id(instance), factor))

    def solve(self) -> None:
        """Find sizes until nothing more can be told; of the config's, what most tensors say."""
        while True:
            votes: dict[str, Counter[int]] = {}
            before = len(self._local)
            left = []
            for equation, instance in self._equations:
                known = [self.value(factor, instance) for factor in equation.factors]
                if known.count(None) > 1:
                    left.append((equation, instance))
                if known.count(None) != 1:
                    continue
                rest = prod(value for value in known if value is not None)
                if rest < 1 or equation.length % rest:
                    continue
                factor, value = equation.factors[known.index(None)], equation.length // rest
                if isinstance(factor, Size):
                    votes.setdefault(factor.name, Counter())[value - factor.plus] += 1
                else:
                    self._local.setdefault((id(instance), factor), value)
            self.sizes |= {name: counter.most_common(1)[0][0] for name, counter in votes.items()}
            self._equations = left
            if not votes and len(self._local) == before:
                return


def _factor(rule: Rule, one: Named, name: str) -> _Factor:
    order = one.tensor.order if isinstance(one.tensor, Leaf) else None
    if order and order[0] == name:
        return Size("", len(order[1]))
    return rule.size(name, one.tensor) or (name, one.number)


def _equations(instance: Instance, shapes: Shapes) -> Iterator[_Equation]:
    """Yield what the shapes of a module's tensors say of their axes."""
    for one in instance.tensors:
        for of_keras, shape in (
            (False, shapes.torch.get(one.torch)),
            (True, shapes.keras.get(one.keras)),
        ):
            if shape is None:
                continue
            groups = one.tensor.axes.keras if of_keras else one.tensor.axes.torch
            lengths = _lengths(instance.rule, one.tensor, shape, of_keras)
            for group, length in zip(groups, lengths, strict=len(groups) == len(lengths)):
                if length is not None and len(lengths) == len(groups):
                    factors = tuple(_factor(instance.rule, one, name) for name in group)
                    yield _Equation(factors, length)


def _lengths(rule: Rule, tensor: Leaf | Fill, shape: Shape, of_keras: bool) -> Sequence[int | None]:
    """Return the lengths of a tensor's own axes in the one that it has a share of; None where the
    lengths of its neighbors would have to be known."""
    lengths: list[int | None] = list(shape)
    if isinstance(tensor, Fill):
        return lengths
    share = tensor.share
    if share and share.placed and share.of_keras == of_keras and share.axis < len(shape):
        if share.join is Join.STACK:
            del lengths[share.axis]
        else:
            groups = tensor.axes.keras if of_keras else tensor.axes.torch
            alike = all(name in rule.dims for name in groups[share.axis])
            lengths[share.axis] = shape[share.axis] // share.count if alike else None
    if (
        tensor.cut
        and not of_keras
        and (at := tensor.axes.torch.index((tensor.cut[0],))) < len(shape)
    ):
        lengths[at] = shape[at] - sum(tensor.cut[1:])
    return lengths
