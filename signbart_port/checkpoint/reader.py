"""From a file to named float32 arrays, whatever its container."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from signbart_port.checkpoint import legacy, safetensors, zipped
from signbart_port.checkpoint.beside import plain_beside, unread_settings
from signbart_port.checkpoint.loaded import Loaded
from signbart_port.checkpoint.names import NameRules, prefixes, strip, unwrap
from signbart_port.checkpoint.notes import notes
from signbart_port.errors import printable
from signbart_port.untrusted.file_kind import HEAD, Kind, kind_of, regular_file
from signbart_port.untrusted.pickle_globals import Other, describe
from signbart_port.untrusted.refusal import COPY_AGAIN, SAVE_STATE_DICT, Refusal, naming
from signbart_port.untrusted.tensors import Rounding, Tensor, values

_LOADERS = {
    Kind.ZIP: zipped.load,
    Kind.LEGACY: legacy.load,
    Kind.SAFETENSORS: safetensors.load,
}
_LARGEST_FILE = 4 << 30  # bytes: the largest published model, with optimizer state, takes 0.05 GB
_LONGEST_NAME = 500  # the longest of SignBART takes 52 characters


@dataclass(frozen=True)
class Checkpoint:
    """The weights of one file, and what is known about the file."""

    path: Path
    container: str  # "zip", "legacy" or "safetensors"
    sha256: str  # of the file
    # By name after unwrapping and prefix stripping, in file order; read-only and C-contiguous.
    # Floats are float32, and views of the file's bytes where these are; others keep their dtype.
    tensors: dict[str, npt.NDArray[Any]]
    dtypes: dict[str, str]  # in the file, by torch's names: "float32", "bfloat16", "int64"
    unwrapped: tuple[str, ...]  # container keys opened, such as ("model",)
    prefixes: tuple[str, ...]  # prefixes stripped, such as ("module.",)
    beside: Mapping[str, Any]  # plain data stored beside the weights, by its key
    rounded: dict[str, Rounding]  # float64 tensors alone
    notes: tuple[str, ...]  # short sentences for the user

    @property
    def config(self) -> dict[str, Any] | None:
        """The dict stored under `config` beside the weights."""
        config = self.beside.get("config")
        return config if isinstance(config, dict) and config else None


def read(path: str | os.PathLike[str], names: NameRules) -> Checkpoint:
    """Read the weights in the file at `path`: a .pth of any age or a .safetensors, told by content.

    Nothing in the file can run. Raises PortError for anything but a complete and unambiguous state
    dict of dense tensors.
    """
    with naming(path):
        kind, data = _bytes_of(path)
        loaded = _LOADERS[kind](data)
        state, opened = _state_dict(loaded.root, names)
        renamed = strip(state, names)
        weights = {renamed[name]: view for name, view in state.items()}
        arrays, rounded = _arrays(weights, loaded, len(data))
        stripped = prefixes(renamed, names)
        said = notes(loaded.root, opened, stripped, weights, rounded, loaded.protocol)
        beside = plain_beside(loaded.root, state) if opened else dict(loaded.beside)
        if opened:
            said += unread_settings(loaded.root, beside)
        return Checkpoint(
            path=Path(path),
            container=kind.value,
            sha256=hashlib.sha256(data).hexdigest(),
            tensors=arrays,
            dtypes={name: view.dtype for name, view in weights.items()},
            unwrapped=opened,
            prefixes=stripped,
            beside=beside,
            rounded=rounded,
            notes=said,
        )


def _bytes_of(path: str | os.PathLike[str]) -> tuple[Kind, bytes]:
    """Return the file's kind and all its bytes; refuse it by its head alone if it is no
    checkpoint."""
    with regular_file(path) as file:
        kind = kind_of(file.read(HEAD))
        size = file.seek(0, os.SEEK_END)
        if kind is None:
            file.seek(max(0, size - zipped.END_SIZE))
            if file.read().startswith(zipped.END):
                raise Refusal("has other bytes before its zip archive", COPY_AGAIN)
            raise Refusal("is not a PyTorch checkpoint: no known kind of file begins like it")
        if kind not in _LOADERS:
            raise Refusal(f"is {kind.noun}, not a PyTorch checkpoint", kind.remedy)
        if size > _LARGEST_FILE:
            raise Refusal(f"has {size:,} bytes, more than any SignBART", SAVE_STATE_DICT)
        file.seek(0)
        return kind, file.read()


def _state_dict(root: Any, names: NameRules) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    if type(root) is not dict:
        raise Refusal(f"holds {describe(root)}, not a dict of tensors", SAVE_STATE_DICT)
    state, opened = unwrap(root, names)
    if not any(isinstance(value, (Tensor, Other)) for value in state.values()):
        keys = ", ".join(printable(key, 40) for key in list(state)[:6]) or "none"
        raise Refusal(f"holds no weights: no tensor among its keys ({keys})", SAVE_STATE_DICT)
    for name, value in state.items():
        if not isinstance(name, str):
            raise Refusal(f"names a weight by {describe(name)}, not by a string", SAVE_STATE_DICT)
        if not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
            raise Refusal(f'has a weight with the unusable name "{printable(name)}"')
        if not isinstance(value, Tensor):
            raise Refusal(
                f'"{name}" is {describe(value)}, not a dense tensor with values', SAVE_STATE_DICT
            )
    return state, opened


def _arrays(
    state: dict[str, Tensor], loaded: Loaded, file_size: int
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Rounding]]:
    """Return the arrays by name, tied ones made once, and what rounding did to the float64 ones."""
    owners = {view: name for name, view in reversed(state.items())}
    # Views may overlap, so a small file can claim many large tensors: bounded by what it can hold.
    if sum(math.prod(view.size) for view in owners) > file_size:
        raise Refusal("holds tensors with more values than the file has bytes")
    made = {view: values(name, view, loaded.buffers) for view, name in owners.items()}
    arrays = {name: made[view][0] for name, view in state.items()}
    rounded = {name: change for name, view in state.items() if (change := made[view][1])}
    return arrays, rounded
