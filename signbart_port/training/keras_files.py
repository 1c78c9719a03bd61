"""The models that a training in Keras keeps: model.h5 files, with what it takes to go on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from signbart_port.errors import PortError
from signbart_port.keras_model import SignBart
from signbart_port.model_files import h5, hdf5
from signbart_port.model_files.hdf5 import DIGEST
from signbart_port.model_files.keras_h5 import write
from signbart_port.system import digest

_GROUP = "training"  # beside Keras' own groups: readers of the model pass it over


@dataclass(frozen=True)
class State:
    """What a training needs besides the model to go on."""

    log: Mapping[str, Any]
    variables: Sequence[NDArray[Any]]
    """Of the optimizer."""


def save(
    path: Path, model: SignBart, provenance: Mapping[str, Any], state: State | None = None
) -> None:
    """Write a model in float32 with a digest of every weight, and the state of its training."""
    digests = {weight.path: digest.of_tensor(weight.numpy()) for weight in model.weights}
    config = {"config": model.config.model_dump(mode="json")}

    def complete(file: h5py.File) -> None:
        h5.annotate(file, {**provenance, **config}, digests)
        if state is not None:
            _add(state, file)

    write(path, model, complete)


def _add(state: State, file: h5py.File) -> None:
    group = file.create_group(_GROUP)
    group.attrs["state"] = json.dumps(state.log)
    for number, values in enumerate(state.variables):
        group.create_dataset(str(number), data=np.asarray(values))
        group[str(number)].attrs[DIGEST] = digest.of_tensor(np.asarray(values))


def read_state(path: Path) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Return the state that `save` has written. Raises PortError if it is missing or damaged."""
    hint = "Give --force to begin anew"
    try:
        with hdf5.opened(path) as file:
            group = hdf5.linked(path, file, _GROUP)
            state = json.loads(group.attrs["state"])
            variables = [group[str(number)][()] for number in range(len(group))]
            digests = [group[str(number)].attrs[DIGEST] for number in range(len(group))]
    except PortError:
        raise PortError(path, "holds no training to go on with", hint) from None
    if digests != [digest.of_tensor(np.asarray(values)) for values in variables]:
        raise PortError(path, "the state of its optimizer is damaged", hint)
    return state, variables
