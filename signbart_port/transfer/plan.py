"""A plan: the list of every transfer of a mapping and a config, before any tensor is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import prod

from signbart_port.errors import PortError
from signbart_port.transfer.mapping import Fill, Join, Leaf, Share, WeightMapping
from signbart_port.transfer.ops import Add, Direction, Op, chained, rearranged, reordered
from signbart_port.transfer.sizes import Instance, Named, Shape, Shapes, axes_of, instances

Part = tuple[slice | int, ...]
"""The index of a share of a tensor; none is the whole."""
NO_SHAPES = Shapes({}, {})


@dataclass(frozen=True)
class Transfer:
    """One tensor with its name and shape on both sides; or a part of it, where several tensors are
    one on the other side."""

    torch: str
    keras: str
    op: Op  # what happens between PyTorch's and Keras' side
    torch_shape: Shape  # of the whole tensor
    keras_shape: Shape
    line: int  # the rule's line in the mapping file
    torch_part: Part = ()
    keras_part: Part = ()
    join: Join | None = None  # how it and its neighbors are one
    first: bool = True  # among the tensors that are one
    lossy: str = ""  # what the way back writes; "" if nothing is lost

    @property
    def module(self) -> str:
        """The path of the module that the tensor belongs to, as the Keras model names it."""
        return module_of(self.keras)

    @property
    def torch_module(self) -> str:
        """The path of the module that the tensor belongs to, as PyTorch names it."""
        return self.torch.rpartition(".")[0]

    def source(self, direction: Direction) -> tuple[str, Shape]:
        if direction is Direction.TORCH_TO_KERAS:
            return self.torch, self.torch_shape
        return self.keras, self.keras_shape

    def target(self, direction: Direction) -> tuple[str, Shape]:
        return self.source(direction.back)

    def parts(self, direction: Direction) -> tuple[Part, Part]:
        """Return the part that is read, and the part that is written."""
        if direction is Direction.TORCH_TO_KERAS:
            return self.torch_part, self.keras_part
        return self.keras_part, self.torch_part


def module_of(variable: str) -> str:
    """Return the path of the module of a variable of Keras."""
    return variable.rpartition("/")[0].replace("/", ".")


@dataclass(frozen=True)
class Constant:
    """A tensor that one side alone has, every value of which is the same."""

    name: str
    of_keras: bool
    shape: Shape
    value: float
    line: int

    def written(self, direction: Direction) -> bool:
        """Return whether it is on the side that is written."""
        return self.of_keras == (direction is Direction.TORCH_TO_KERAS)


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
    constants: tuple[Constant, ...] = ()

    def torch_names(self) -> set[str]:
        """Return the PyTorch tensors that a rule uses or ignores."""
        used = {transfer.torch for transfer in self.transfers}
        used |= {constant.name for constant in self.constants if not constant.of_keras}
        return used | self.ignored_torch.keys()

    @property
    def parameters(self) -> int:
        """The number of values in all transfers."""
        return sum(
            prod(shape) for shape in {t.torch: t.torch_shape for t in self.transfers}.values()
        )


def plan(mapping: WeightMapping, sizes: Mapping[str, int], shapes: Shapes = NO_SHAPES) -> Plan:
    """Expand `mapping` for a model of `sizes` (the result of `SignBartConfig.sizes()`).

    What the rules leave out is read off the `shapes` of the two models. Raises PortError, naming
    the line, if the mapping uses a size that is not known.
    """
    mapping.check_sizes(sizes)
    transfers: list[Transfer] = []
    constants: list[Constant] = []
    for instance in instances(mapping, sizes):
        lengths = axes_of(mapping, instance, sizes, shapes)
        transfers += _transfers(mapping, instance, lengths)
        constants += _constants(instance, lengths)
    return Plan(
        mapping=mapping,
        sizes=sizes,
        transfers=tuple(transfers),
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
        constants=tuple(constants),
    )


@dataclass(frozen=True)
class _Sized:
    """A tensor with the lengths of its own axes."""

    named: Named
    leaf: Leaf
    sizes: Mapping[str, int]

    def shape(self, of_keras: bool) -> Shape:
        return self.leaf.axes.shapes(self.sizes)[of_keras]


def _transfers(
    mapping: WeightMapping, instance: Instance, lengths: Sequence[Mapping[str, int]]
) -> Iterator[Transfer]:
    line, joined = instance.rule.line, []
    for one, sizes in zip(instance.tensors, lengths, strict=True):
        leaf = one.tensor
        if isinstance(leaf, Fill):
            continue
        joined.append(_Sized(one, leaf, sizes))
        if len(joined) < (leaf.share.count if leaf.share else 1):
            continue
        if leaf.share and leaf.share.placed:
            yield from _placed(mapping, joined, leaf.share, line)
        else:
            yield from (_transfer(sized, line) for sized in joined)
        joined = []


def _placed(
    mapping: WeightMapping, tensors: Sequence[_Sized], share: Share, line: int
) -> Iterator[Transfer]:
    """Yield the transfers of tensors that each have a place in one of the other side."""
    axis, of_keras = share.axis, share.of_keras
    shapes = [sized.shape(of_keras) for sized in tensors]
    others = shapes if share.join is Join.STACK else [s[:axis] + s[axis + 1 :] for s in shapes]
    if len(set(others)) > 1:
        raise PortError(
            mapping.path, f"line {line}: the tensors to {share.join.value} have different shapes"
        )
    before: Part = (slice(None),) * axis
    if share.join is Join.STACK:
        whole = (*shapes[0][:axis], len(tensors), *shapes[0][axis:])
        parts = [(*before, number) for number in range(len(tensors))]
    else:
        ends = list(accumulate(shape[axis] for shape in shapes))
        whole = (*shapes[0][:axis], ends[-1], *shapes[0][axis + 1 :])
        parts = [(*before, slice(a, b)) for a, b in pairwise([0, *ends])]
    for sized, part in zip(tensors, parts, strict=True):
        alone = _transfer(sized, line)
        if of_keras:
            yield replace(alone, keras_shape=whole, keras_part=part)
        else:
            yield replace(alone, torch_shape=whole, torch_part=part)


def _transfer(sized: _Sized, line: int) -> Transfer:
    leaf, sizes = sized.leaf, sized.sizes
    torch_shape = sized.shape(of_keras=False)
    torch_part: Part = ()
    if leaf.cut:
        axis, front, end = leaf.cut
        at = leaf.axes.torch.index((axis,))
        torch_part = (*(slice(None),) * at, slice(front, front + torch_shape[at]))
        torch_shape = (*torch_shape[:at], front + torch_shape[at] + end, *torch_shape[at + 1 :])
    ops = [rearranged(leaf.axes, sizes)]
    if leaf.order:
        ops.insert(0, reordered(leaf.axes, sizes, *leaf.order))
    if leaf.add:
        ops.append(Add(leaf.add))
    return Transfer(
        torch=sized.named.torch,
        keras=sized.named.keras,
        op=chained(tuple(ops)),
        torch_shape=torch_shape,
        keras_shape=sized.shape(of_keras=True),
        line=line,
        torch_part=torch_part,
        join=leaf.share.join if leaf.share else None,
        first=not sized.named.number,
        lossy=leaf.lossy,
    )


def _constants(instance: Instance, lengths: Sequence[Mapping[str, int]]) -> Iterator[Constant]:
    for one, sizes in zip(instance.tensors, lengths, strict=True):
        if isinstance(fill := one.tensor, Fill):
            of_keras = bool(one.keras)
            shape = fill.axes.shapes(sizes)[of_keras]
            yield Constant(one.keras or one.torch, of_keras, shape, fill.value, instance.rule.line)
