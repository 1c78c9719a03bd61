"""The weights of a SignBART as Keras saves them alone: `model.weights.h5`, and that in a `.keras`.

Keras finds a layer by the attribute or the list that holds it, and a variable by its number in its
layer: `layers/encoder/layers/encoder_layer_1/self_attn/k_proj/vars/0`. So a file has no names of
variables, and its order is that of the classes in `keras_model/`, which this file states without
importing them. Beside the variables of a layer stands the layer's name, which is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from signbart_port import config as configs
from signbart_port import transfer
from signbart_port.errors import PortError, printable
from signbart_port.model_files import hdf5, mappings
from signbart_port.model_files.hdf5 import RESAVE
from signbart_port.transfer import Transfer

ROOT = "layers"  # of a Functional model
_VARIABLES = "vars"
_ORDER = {"kernel": 0, "bias": 1, "gamma": 0, "beta": 1, "embeddings": 0}
"""The number of a variable in its layer: the order in which the layers of Keras make them."""
_MOST_LAYERS = 100  # of a stack: see `config.model`
_SAVED_ELSEWHERE = "Load it where it was saved, and save it with model.save('model.h5')"


@dataclass(frozen=True)
class KerasWeights:
    """The weights in a file, by variable path; a weight that no SignBART has keeps its own name."""

    tensors: dict[str, NDArray[np.float32]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Layout:
    """The places of all weights of the largest model."""

    variables: Mapping[str, str]
    """The variable path of each dataset."""
    layers: Mapping[str, str]
    """The name of the layer to which each group belongs, outer ones first."""
    transfers: tuple[Transfer, ...]


def place_of(path: str) -> str:
    """Return where Keras saves the variable at `path`, such as `encoder/layers.0/fc1/kernel`."""
    *layers, variable = path.split("/")
    return "/".join((*_group_of(layers), _VARIABLES, str(_ORDER[variable])))


def read(path: Path, file: h5py.File, room: int) -> KerasWeights:
    """Read the weights, which together take no more than `room` bytes.

    Raises PortError for what is not Keras' layout, and for layers in another order than a
    SignBART's.
    """
    if not hdf5.has(file, ROOT):
        what = "holds no weights in the layout of Keras 3, and no model config"
        raise PortError(path, what, RESAVE)
    layout = _layout()
    tensors: dict[str, NDArray[np.float32]] = {}
    for root in filter(partial(hdf5.has, file), (ROOT, _VARIABLES)):  # the model's own: none
        for parts, dataset in hdf5.datasets(path, file, root):
            name = "/".join((root, *parts))
            name = layout.variables.get(name, name)
            tensors[name] = hdf5.values(path, name, dataset, room)
            room -= tensors[name].nbytes
    if not tensors.keys() & set(layout.variables.values()):
        held = printable(next(iter(tensors)), 80) if tensors else "nothing"
        raise PortError(path, f"holds no weights of a SignBart (first: {held})", _SAVED_ELSEWHERE)
    notes = []
    if not _check_names(path, file, layout):
        notes.append("the file does not name its layers: they are taken in the order of a SignBart")
    if aside := [printable(n, 40) for n in file if n not in (ROOT, _VARIABLES)]:
        notes.append(f"left behind: {', '.join(aside)}")
    return KerasWeights(tensors, tuple(notes))


def _check_names(path: Path, file: h5py.File, layout: _Layout) -> bool:
    """Return whether the file names its layers; raises PortError where it does so otherwise."""
    named = False
    absent = set[str]()  # HDF5 takes its time for each name that is not there
    for layer, expected in layout.layers.items():
        if layer.rpartition("/")[0] in absent or layer not in file:
            absent.add(layer)
            continue
        group = f"{layer}/{_VARIABLES}"
        found = file[group].attrs.get("name") if group in file else None
        if found is None:
            continue
        named = True
        if type(found) is not str or found != expected:
            raise PortError(
                path,
                f'its layers are in another order: "{printable(found, 80)}" stands where a SignBart'
                f' has "{expected}"',
                _SAVED_ELSEWHERE,
            )
    return named


@cache
def _layout() -> _Layout:
    sizes = dict.fromkeys(configs.SIZES, 1)
    sizes |= dict.fromkeys(("encoder_layers", "decoder_layers"), _MOST_LAYERS)
    transfers = transfer.plan(mappings.signbart(), sizes).transfers
    paths = [one.keras for one in transfers]
    return _Layout(
        variables={place_of(path): path for path in paths},
        layers={
            "/".join(_group_of(layers)): layers[-1]
            for path in paths
            for layers in _prefixes(path.split("/")[:-1])
        },
        transfers=transfers,
    )


def _prefixes(layers: list[str]) -> Iterator[list[str]]:
    return (layers[:end] for end in range(1, len(layers) + 1))


def _group_of(layers: list[str]) -> tuple[str, ...]:
    """Return the group of a layer, named by the layers that lead to it: one in a list goes by its
    class, with its number from the second on."""
    group = [ROOT]
    for layer in layers:
        name, _, number = layer.partition(".")
        if number:
            group += [name, f"{layers[0]}_layer" + (f"_{number}" if int(number) else "")]
        else:
            group.append(name)
    return tuple(group)


def torch_tensors(tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return those that are a SignBART's as a checkpoint has them."""
    return {
        one.torch: one.op.to_torch(tensors[one.keras])
        for one in _layout().transfers
        if one.keras in tensors
    }
