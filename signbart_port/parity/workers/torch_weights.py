"""The weights of a checkpoint as PyTorch's own reader gives them: the witness of ours.

It is given the file itself, with a harmless `StandIn` for each class that stands beside the
weights. Only where PyTorch cannot read that, it is given the state dict as this program has
rewritten it.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from signbart_port.checkpoint.loaded import Location

_MOST_FOREIGN = 200  # PyTorch makes a table of all at every object
_NOT_OF_TORCH = ("builtins.frozenset", "builtins.range", "builtins.slice")


class StandIn:
    """An object that stands for any other: made of anything, it stores and runs nothing."""

    __slots__ = ()

    def __new__(cls, *_arguments: object, **_named: object) -> StandIn:
        return object.__new__(cls)

    def __init__(self, *_arguments: object, **_named: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


def read(location: Location) -> tuple[dict[str, Any], bool]:
    """Return the weights by name, in float32, and whether PyTorch has read the file itself."""
    found: dict[str, Any] = {}
    itself = True
    for position, path in enumerate(location.files):
        try:
            state = _state(_loaded(path, location), location)
        except Exception:  # whatever PyTorch does not know, or a stand-in has swallowed
            if location.container == "safetensors":
                raise
            state, itself = _load(io.BytesIO(_rewritten(location, position))), False
        found |= {name: state[name] for name in state}
    return _weights(found, location), itself


def _rewritten(location: Location, position: int) -> bytes:
    from signbart_port.checkpoint.rewritten import rewrite

    return rewrite(location, position)


def _loaded(path: Path, location: Location) -> Any:
    import torch

    if location.container == "safetensors":
        from safetensors.torch import load

        return load(path.read_bytes())
    names = [*location.foreign, *_NOT_OF_TORCH]
    if len(names) > _MOST_FOREIGN:
        raise ValueError("too many classes")
    with torch.serialization.safe_globals([(StandIn, name) for name in names]):
        return _load(path)


def _load(file: Any) -> Any:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of pickle protocols other than 2
        return torch.load(file, map_location="cpu", weights_only=True, mmap=False)


def _state(loaded: Any, location: Location) -> dict[str, Any]:
    import torch

    for key in location.keys:
        loaded = loaded[key] if isinstance(loaded, dict) else loaded[int(key)]
    wanted = {*location.names.values(), *location.masks.values()}
    state = {name: value for name, value in loaded.items() if name in wanted}
    if len(location.files) == 1 and (missing := wanted - state.keys()):
        raise ValueError(f"no {min(missing)}")
    if not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise TypeError("no tensors")
    return state


def _weights(found: Mapping[str, Any], location: Location) -> dict[str, Any]:
    import torch

    state = {
        name: found[stored].detach().to(torch.float32) for name, stored in location.names.items()
    }
    for name, mask in location.masks.items():
        state[name] = state[name] * found[mask].detach().to(torch.float32)
    return state
