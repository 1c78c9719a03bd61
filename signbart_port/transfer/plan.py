"""A plan: the list of every transfer of a mapping and a config, before any tensor is touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from signbart_port.transfer.mapping import MOST_NAMES, Leaf, Rule, WeightMapping
from signbart_port.transfer.ops import Direction, Op

Shape = tuple[int, ...]
_MOST_LAYERS = 1000  # bounds the search in a checkpoint of very many tensors


@dataclass(frozen=True)
class Transfer:
    """One tensor with its name and shape on both sides."""

    torch: str
    keras: str
    op: Op  # what happens between PyTorch's and Keras' side
    torch_shape: Shape
    keras_shape: Shape
    line: int  # the rule's line in the mapping file

    @property
    def module(self) -> str:
        """The path of the module that the tensor belongs to, as the models name it."""
        return self.keras.rpartition("/")[0].replace("/", ".")

    def source(self, direction: Direction) -> tuple[str, Shape]:
        if direction is Direction.TORCH_TO_KERAS:
            return self.torch, self.torch_shape
        return self.keras, self.keras_shape

    def target(self, direction: Direction) -> tuple[str, Shape]:
        if direction is Direction.TORCH_TO_KERAS:
            return self.keras, self.keras_shape
        return self.torch, self.torch_shape


@dataclass(frozen=True)
class Placed:
    """One tensor and its place, for reports."""

    torch: str
    keras: str
    op: str
    shape: tuple[int, ...]
    rule: str  # the mapping's file and line
    sha256: str  # of its float32 values in PyTorch's order


@dataclass(frozen=True)
class Plan:
    """Every transfer of a model of these sizes."""

    mapping: WeightMapping
    sizes: Mapping[str, int]
    transfers: tuple[Transfer, ...]
    ignored_torch: Mapping[str, str]  # what may be left behind: name -> reason
    ignored_keras: Mapping[str, str]  # what may be left as it is: name -> reason

    def torch_names(self) -> set[str]:
        """Return the PyTorch tensors that a rule uses or ignores."""
        return {transfer.torch for transfer in self.transfers} | self.ignored_torch.keys()

    @property
    def parameters(self) -> int:
        """The number of values in all transfers."""
        return sum(prod(transfer.torch_shape) for transfer in self.transfers)


def plan(mapping: WeightMapping, sizes: Mapping[str, int]) -> Plan:
    """Expand `mapping` for a model of `sizes` (the result of `SignBartConfig.sizes()`).

    Raises PortError if the mapping uses a size that is not among them.
    """
    mapping.check_sizes(sizes)
    return Plan(
        mapping=mapping,
        sizes=sizes,
        transfers=tuple(
            Transfer(
                torch=torch,
                keras=f"{rule.keras}/{leaf.keras}".format(**mapping.in_keras(values)),
                op=leaf.op,
                torch_shape=(shape := tuple(rule.dims[dim].of(sizes) for dim in leaf.dims)),
                keras_shape=leaf.op.keras_shape(shape),
                line=rule.line,
            )
            for rule, leaf, values, torch in _torch_names(mapping, sizes)
        ),
        ignored_torch={
            ignored.match.format(**values): ignored.why
            for ignored in mapping.ignored_torch
            for values in mapping.expand(ignored.match, sizes)
        },
        ignored_keras={
            ignored.match.format(**mapping.in_keras(values)): ignored.why
            for ignored in mapping.ignored_keras
            for values in mapping.expand(ignored.match, sizes)
        },
    )


def _torch_names(
    mapping: WeightMapping, sizes: Mapping[str, int]
) -> Iterator[tuple[Rule, Leaf, dict[str, str], str]]:
    for rule in mapping.rules:
        for values in mapping.expand(rule.torch, sizes):
            for leaf in rule.leaves:
                name = f"{rule.torch}.{leaf.torch}" if leaf.torch else rule.torch
                yield rule, leaf, values, name.format(**values)


def sizes_from_shapes(mapping: WeightMapping, shapes: Mapping[str, Shape]) -> dict[str, int]:
    """Return the sizes that a checkpoint's tensors determine, by the mapping's own rules.

    A number of layers is one more than the highest index in use. Any other size is the one that
    most of the tensors with it have, so that one damaged tensor is the finding, not all the others.
    `shapes` are PyTorch's, by tensor name. A size that no tensor has is absent.
    """
    ranges = {name: axis.range for name, axis in mapping.axes.items() if axis.range}
    # No more layers than tensors; where numbers are nested, no more names than a model has.
    nested = (sum(f"{{{axis}}}" in rule.torch for axis in ranges) for rule in mapping.rules)
    bound = int(MOST_NAMES ** (1 / max(1, *nested))) // 2
    at_most = dict.fromkeys(ranges.values(), min(len(shapes), _MOST_LAYERS, bound))
    layers: Counter[str] = Counter()
    votes: dict[str, Counter[int]] = {}
    for rule, leaf, values, name in _torch_names(mapping, at_most):
        if name not in shapes:
            continue
        for axis in ranges.keys() & values.keys():
            index = int(mapping.axes[axis].in_keras(values[axis]))
            layers[ranges[axis]] = max(layers[ranges[axis]], index + 1)
        if len(shapes[name]) == len(leaf.dims):
            for dim, length in zip(leaf.dims, shapes[name], strict=True):
                size = rule.dims[dim]
                votes.setdefault(size.name, Counter())[length - size.plus] += 1
    return dict(layers) | {name: counter.most_common(1)[0][0] for name, counter in votes.items()}
