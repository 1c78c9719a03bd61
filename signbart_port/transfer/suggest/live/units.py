"""The layers of two models by the names and shapes of their tensors: what one rule can carry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from signbart_port.transfer.mapping import OWN
from signbart_port.transfer.sizes import Shape
from signbart_port.transfer.suggest.modules import is_fused

LAYER = "{#}"
"""Stands for the number of a layer."""
_ROLES = {
    "weight": "weight kernel gamma scale embeddings",
    "bias": "bias beta",
    "mean": "running_mean moving_mean",
    "variance": "running_var moving_variance",
    "recurrent": "recurrent_kernel",
}
_ROLE_OF = {name: role for role, names in _ROLES.items() for name in names.split()}
_RNN = re.compile(r"(?P<role>(?:weight|bias)_(?:ih|hh))_l(?P<place>[0-9]+(?:_reverse)?)")
_IN_PROJ = "in_proj_"
_TRIPLES = (("query", "key", "value"), ("q_proj", "k_proj", "v_proj"), ("q", "k", "v"))


@dataclass(frozen=True)
class Tensor:
    """A tensor of a unit, or several that are one on the other side."""

    names: tuple[str, ...]
    """Relative to the path of the rule."""
    shapes: tuple[Shape, ...]
    """In every layer; of one of the names."""
    tied: bool = False
    """Whether its names are those of one tensor."""

    @cached_property
    def values(self) -> int:
        """The number of its values in the first layer."""
        return prod(self.shapes[0]) * (1 if self.tied else len(self.names))


@dataclass(frozen=True, eq=False)
class Unit:
    """The tensors that one rule carries, in one layer or in every layer of a stack."""

    path: str
    """The path for the rule, in the notation of its side."""
    said: str
    """Its name, for what it means."""
    tensors: Mapping[str, Tensor]
    """By role: the names of a role differ between the frameworks."""
    fused: bool = False
    """Whether each of its tensors is query, key and value: as one, or as three."""

    @property
    def names(self) -> list[str]:
        """The names of its tensors, relative to its path."""
        return [name for tensor in self.tensors.values() for name in tensor.names]

    @property
    def values(self) -> int:
        """The number of values in it, in the first layer: the same in both frameworks."""
        return sum(tensor.values for tensor in self.tensors.values())

    @property
    def signature(self) -> tuple[object, ...]:
        """What units of equal layers share: the roles of their tensors, and the ranks."""
        return tuple((role, len(t.shapes[0])) for role, t in self.tensors.items())


def of_torch(shapes: Mapping[str, Shape], ties: Iterable[Sequence[str]] = ()) -> list[Unit]:
    """Return PyTorch's units, in order. `ties` are the names of tensors that are one."""
    found: list[Unit] = []
    known = {name: shape for name, shape in shapes.items() if {"{", "}"}.isdisjoint(name)}
    for names in ties:
        present = [name for name in names if name in known]
        if len(present) > 1:
            tensor = Tensor(tuple(present), (known[present[0]],), tied=True)
            found.append(Unit(OWN, present[0].rpartition(".")[0], {"weight": tensor}))
            known = {name: shape for name, shape in known.items() if name not in present}
    for path, leaves in _by_layer(known, "."):
        plain: dict[str, Shape] = {}
        rnn: dict[str, dict[str, Tensor]] = {}
        fused: dict[str, Tensor] = {}
        for leaf, shape in leaves.items():
            if cell := _RNN.fullmatch(leaf):
                rnn.setdefault(cell["place"], {})[cell["role"]] = Tensor((leaf,), (shape,))
            elif leaf.startswith(_IN_PROJ):
                fused[leaf.removeprefix(_IN_PROJ)] = Tensor((leaf,), (shape,))
            else:
                plain[leaf] = shape
        for place, tensors in rnn.items():
            found.append(Unit(path, f"{path}.l{place}.cell", tensors))
        if fused:
            found.append(Unit(path, f"{path}.in_proj", fused, fused=True))
        found += _plain(path, plain, ".")
    return found


def of_keras(shapes: Mapping[str, Shape]) -> list[Unit]:
    """Return Keras' units, in order."""
    known = {name: shape for name, shape in shapes.items() if {"{", "}"}.isdisjoint(name)}
    return [u for path, leaves in _by_layer(known, "/") for u in _plain(path, leaves, "/")]


def in_threes(units: Sequence[Unit], joint: str) -> list[Unit]:
    """Return the units with a query, a key and a value that stand side by side as one."""
    by_path = {unit.path: unit for unit in units if unit.path != OWN}
    found: list[Unit] = []
    gone: set[str] = set()
    for unit in units:
        parent, _, name = unit.path.rpartition(joint)
        for names in _TRIPLES:
            paths = [f"{parent}{joint}{name}" if parent else name for name in names]
            three = [by_path[path] for path in paths if path in by_path]
            if name in names and len(three) == 3 and len({u.signature for u in three}) == 1:
                if not gone.intersection(paths):
                    found.append(_three(parent or OWN, names, three, joint))
                gone.update(paths)
        if unit.path not in gone or unit.path == OWN:
            found.append(unit)
    return found


def _three(path: str, names: Sequence[str], units: Sequence[Unit], joint: str) -> Unit:
    tensors = {
        role: Tensor(
            tuple(
                f"{name}{joint}{unit.tensors[role].names[0]}"
                for name, unit in zip(names, units, strict=True)
            ),
            tensor.shapes,
        )
        for role, tensor in units[0].tensors.items()
    }
    return Unit(path, f"{path}{joint}in_proj", tensors, fused=True)


def is_fused_by_name(unit: Unit) -> bool:
    """Return whether a unit holds query, key and value in one tensor, by its name."""
    return unit.fused or is_fused(unit.said.replace("/", "."))


def _by_layer(shapes: Mapping[str, Shape], joint: str) -> Iterator[tuple[str, dict[str, Shape]]]:
    layers: dict[str, dict[str, Shape]] = {}
    for name, shape in shapes.items():
        path, _, leaf = name.rpartition(joint)
        layers.setdefault(path or OWN, {})[leaf] = shape
    yield from layers.items()


def _plain(path: str, leaves: Mapping[str, Shape], joint: str) -> Iterator[Unit]:
    """Yield a layer, and every parameter beside it that is none of a layer's."""
    usual = {leaf: shape for leaf, shape in leaves.items() if leaf in _ROLE_OF}
    if usual:
        tensors = {_ROLE_OF[leaf]: Tensor((leaf,), (shape,)) for leaf, shape in usual.items()}
        yield Unit(path, path, tensors)
    for leaf in (leaf for leaf in leaves if leaf not in usual):
        said = leaf if path == OWN else f"{path}{joint}{leaf}"
        yield Unit(path, said, {"parameter": Tensor((leaf,), (leaves[leaf],))})
