"""A checkpoint of a pair's PyTorch model with weights that are given, from a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signbart_port.errors import PortError, first_of
from signbart_port.parity.load_pair import import_pair
from signbart_port.parity.pair import Arrays
from signbart_port.parity.workers.torch_run import MEMORY
from signbart_port.system import serving


@dataclass(frozen=True)
class FillingJob:
    """The job: to write a state dict of a pair's model, with the arrays beside the job in it."""

    file: Path
    pair: str
    """The place that the pair is imported from, see `load_pair.place_of`."""
    config: Mapping[str, Any]
    stored: Mapping[str, Any]
    left: tuple[str, ...]
    """The tensors that no array is for, which are as the new model has them."""


def _run(job: FillingJob, arrays: Arrays) -> tuple[None, Arrays]:
    import torch

    pair = import_pair(job.pair)
    state = pair.torch_model(pair.read_config(job.config, job.stored)).state_dict()
    if strange := sorted(state.keys() ^ (arrays.keys() | {*job.left})):
        raise PortError(None, f"its PyTorch model has other tensors: {first_of(strange, 4)}")
    with torch.no_grad():
        for name, array in arrays.items():
            state[name].copy_(torch.from_numpy(array))
    torch.save(state, job.file)
    return None, {}


if __name__ == "__main__":
    serving.serve(FillingJob, _run, framework="torch", memory=MEMORY)
