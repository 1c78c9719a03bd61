"""A checkpoint of random weights: a pair's PyTorch model, built from its config and perturbed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from signbart_port import transfer
from signbart_port.parity.load_pair import import_pair
from signbart_port.parity.pair import Arrays, Pair, mapping_path
from signbart_port.parity.perturbation import perturbed
from signbart_port.system import serving


@dataclass(frozen=True)
class PerturbedJob:
    """The job: to write a checkpoint."""

    file: Path
    pair: str
    """The place that the pair is imported from, see `load_pair.place_of`."""
    config: Mapping[str, Any]
    stored: Mapping[str, Any]
    seed: int


@dataclass(frozen=True)
class PerturbedResult:
    """The result of the job."""

    tensors: int
    """The number of tensors in the file."""


def perturb(module: Any, seed: int = 0, only: Set[str] | None = None) -> Any:
    """Give a module random weights in place, or `only` those tensors; return it in evaluation mode.

    Tensors that are tied stay so.
    """
    import torch

    state = module.state_dict()
    names = state.keys() if only is None else state.keys() & only
    arrays = {name: value.numpy() for name, value in state.items() if name in names}
    with torch.no_grad():
        for name, array in perturbed(arrays, seed).items():
            state[name].copy_(torch.from_numpy(array))
    return module.eval()


def _perturb(pair: Pair, config: Any, module: Any, seed: int) -> None:
    """Give a pair's module random weights, but for what its mapping leaves alone, such as tables of
    positions that are computed, and for what must have one value."""
    mapping, state = transfer.load(mapping_path(pair)), module.state_dict()
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    sizes = transfer.torch_sizes(mapping, shapes) | dict(pair.sizes(config) or {})
    needed, _ = transfer.torch_names(mapping, sizes)
    constants = transfer.torch_constants(mapping, sizes)
    perturb(module, seed, needed - constants.keys())
    for name in state.keys() & constants.keys():
        state[name].fill_(constants[name])


def _seed(seed: int) -> None:
    """Seed what a model may be initialized from.

    Its first values are part of the perturbed ones of vectors, and stay in what the mapping leaves
    alone.
    """
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _run(job: PerturbedJob, arrays: Arrays) -> tuple[PerturbedResult, Arrays]:
    import torch

    torch.set_num_threads(1)  # the other core imports TensorFlow
    pair = import_pair(job.pair)
    config = pair.read_config(job.config, job.stored)
    _seed(job.seed)
    module = pair.torch_model(config)
    with torch.no_grad():
        _perturb(pair, config, module, job.seed)
    state = module.state_dict()
    torch.save(state, job.file)
    return PerturbedResult(len(state)), {}


if __name__ == "__main__":
    serving.serve(PerturbedJob, _run, framework="torch", memory=None)
