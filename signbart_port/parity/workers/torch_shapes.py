"""The names and shapes of a pair's PyTorch model, from a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from signbart_port.parity.load_pair import import_pair
from signbart_port.parity.pair import Arrays
from signbart_port.parity.workers.torch_run import MEMORY
from signbart_port.system import serving


@dataclass(frozen=True)
class ShapesJob:
    """The job: to build the PyTorch model of a pair."""

    pair: str
    """The place that the pair is imported from, see `load_pair.place_of`."""
    config: Mapping[str, Any]
    """What the user's config says."""
    stored: Mapping[str, Any]
    """What the checkpoint's says."""


@dataclass(frozen=True)
class TorchShapes:
    """The tensors of a PyTorch model, without their values."""

    shapes: Mapping[str, tuple[int, ...]]
    """The shapes by name."""
    integers: tuple[str, ...]
    """The names of those that are not floating point."""
    classes: Mapping[str, str]
    """The names of the modules' classes, by path."""
    ties: tuple[tuple[str, ...], ...]
    """The names of tensors that are one."""


def _run(job: ShapesJob, _arrays: Arrays) -> tuple[TorchShapes, Arrays]:
    pair = import_pair(job.pair)
    model = pair.torch_model(pair.read_config(job.config, job.stored))
    state = model.state_dict(keep_vars=True)
    same: dict[int, list[str]] = {}
    for name, value in state.items():
        same.setdefault(id(value), []).append(name)
    return TorchShapes(
        {name: tuple(value.shape) for name, value in state.items()},
        tuple(name for name, value in state.items() if not value.is_floating_point()),
        {path: type(module).__name__ for path, module in model.named_modules()},
        tuple(tuple(names) for names in same.values() if len(names) > 1),
    ), {}


if __name__ == "__main__":
    serving.serve(ShapesJob, _run, framework="torch", memory=MEMORY)
