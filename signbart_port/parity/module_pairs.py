"""The modules of two models that are meant to compute the same, found by their weights.

A module of PyTorch and a layer of Keras are a pair where the rules carry every tensor of the one
into the other, and no other tensor into it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from signbart_port.transfer.plan import Plan


@dataclass(frozen=True)
class ModulePair:
    """A module of PyTorch and its layer of Keras."""

    torch: str
    """The path of the module."""
    layer: int
    """The number of the layer."""
    before_activation: bool = False
    """Whether the layer computes an activation besides, which the module does not."""


def module_pairs(
    plan: Plan, torch: Mapping[str, Set[str]], keras: Sequence[Set[str]], activated: Set[int]
) -> Iterator[ModulePair]:
    """Yield the pairs of modules.

    `torch` are the names of the tensors of each module and of those in it, by its path, outer
    modules first; `keras` the paths of the variables of each layer and of those in it, outer layers
    first; `activated` the numbers of the layers that compute an activation of their own.
    """
    places: dict[str, set[str]] = defaultdict(set)
    sources: dict[str, set[str]] = defaultdict(set)
    for transfer in plan.transfers:
        places[transfer.torch].add(transfer.keras)
        sources[transfer.keras].add(transfer.torch)
    layers: dict[frozenset[str], list[int]] = defaultdict(list)
    for number, variables in enumerate(keras):
        layers[frozenset(variables & sources.keys())].append(number)
    modules: dict[frozenset[str], list[str]] = defaultdict(list)
    for path, names in torch.items():
        there = frozenset().union(*(places[name] for name in names & places.keys()))
        back = set().union(*(sources[name] for name in there))
        if there and back == names & places.keys():
            modules[there].append(path)
    for there, paths in modules.items():
        yield from _nested(paths, layers.get(there, []), activated)


def _nested(
    paths: Sequence[str], numbers: Sequence[int], activated: Set[int]
) -> Iterator[ModulePair]:
    """Yield the pairs of modules that have the same tensors, as one has no more than the other it
    is in: the innermost, and the outermost where both sides have one."""
    if not numbers:
        return
    inner = numbers[-1]
    yield ModulePair(paths[-1], inner, before_activation=inner in activated)
    if len(paths) == 1:
        return
    if len(numbers) > 1:
        yield ModulePair(paths[0], numbers[0])
    elif inner in activated:
        yield ModulePair(paths[0], inner)
