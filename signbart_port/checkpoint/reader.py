"""From a file to named float32 arrays, whatever its container."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from signbart_port.checkpoint.beside import plain_beside, unread_notes, unread_settings
from signbart_port.checkpoint.candidates import Candidate, Wanted
from signbart_port.checkpoint.choice import check_values, choose, unread
from signbart_port.checkpoint.files import open_file
from signbart_port.checkpoint.loaded import Loaded, Location
from signbart_port.checkpoint.names import NameRules
from signbart_port.checkpoint.notes import notes
from signbart_port.untrusted.refusal import Refusal, naming
from signbart_port.untrusted.tensors import Rounding, Tensor, values


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
    location: Location  # of the weights, for a second reader
    cautions: tuple[str, ...] = ()  # the notes on other weights in the file: to be said always
    # Keys of settings that are no plain data, by the entry that they are in.
    unread: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    complete: bool = True  # whether the tensors are all that was wanted, and nothing else

    @property
    def config(self) -> dict[str, Any] | None:
        """The dict stored under `config` beside the weights."""
        config = self.beside.get("config")
        return config if isinstance(config, dict) and config else None


def read(
    path: str | os.PathLike[str],
    names: NameRules,
    wanted: Wanted | None = None,
    weights: str | None = None,
) -> Checkpoint:
    """Read the weights in the file at `path`: a .pth of any age or a .safetensors, told by content,
    or the index of shards.

    They are what `names` lead to; with `wanted`, the one dict that holds all of it, and the names
    without a common prefix where that completes it; with `weights`, what lies under that key.
    Nothing in the file can run. Raises PortError for anything but a complete and unambiguous state
    dict of dense tensors.
    """
    path = Path(path)
    with naming(path):
        opened = open_file(path)
        loaded = opened.loaded
        chosen = choose(loaded.root, names, wanted, weights)
        taken = chosen.taken
        check_values(taken)
        views = {name: taken.state.values[stored] for name, stored in taken.names.items()}
        arrays, rounded = _arrays(taken, views, loaded, opened.size)
        said = (
            *opened.notes,
            *notes(loaded.root, taken, views, rounded, loaded.protocol),
            *unread(loaded.root, loaded.foreign),
            *chosen.cautions,
            *chosen.notes,
        )
        keys = taken.state.keys
        root = _by_key(loaded.root)
        beside = plain_beside(root, taken.state.values) if keys else dict(loaded.beside)
        settings = unread_settings(root, beside) if keys else {}
        return Checkpoint(
            path=path,
            container=opened.container,
            sha256=opened.sha256,
            tensors=arrays,
            dtypes={name: view.dtype for name, view in views.items()},
            unwrapped=keys,
            prefixes=taken.stripped,
            beside=beside,
            rounded=rounded,
            notes=(*said, *unread_notes(settings)),
            cautions=chosen.cautions,
            unread=settings,
            complete=taken.complete,
            location=Location(
                files=opened.files,
                container=opened.container,
                keys=keys,
                names=taken.names,
                masks=taken.masks,
                foreign=loaded.foreign,
            ),
        )


def _by_key(root: Any) -> dict[Any, Any]:
    """Return what lies at the top of a file: in a list by position, as in a dict by key."""
    return root if type(root) is dict else {str(at): value for at, value in enumerate(root)}


def _arrays(
    taken: Candidate, views: dict[str, Tensor], loaded: Loaded, file_size: int
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Rounding]]:
    """Return the arrays by name, tied ones made once, and what rounding did to the float64 ones."""
    owners = {view: name for name, view in reversed(views.items())}
    # Views may overlap, so a small file can claim many large tensors: bounded by what it can hold.
    if sum(math.prod(view.size) for view in owners) > file_size:
        raise Refusal("holds tensors with more values than the file has bytes")
    made = {view: values(name, view, loaded.buffers) for view, name in owners.items()}
    arrays = {name: made[view][0] for name, view in views.items()}
    for name, stored in taken.masks.items():
        mask, _ = values(stored, taken.state.values[stored], loaded.buffers)
        arrays[name] = _pruned(name, arrays[name], mask)
    rounded = {name: change for name, view in views.items() if (change := made[view][1])}
    return arrays, rounded


def _pruned(name: str, weight: npt.NDArray[Any], mask: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the weight that a pruned module computes with: exact, as a mask is of 0 and 1."""
    if not np.isin(mask, (0, 1)).all():
        raise Refusal(
            f'"{name}" has a pruning mask with values other than 0 and 1',
            "Before saving: torch.nn.utils.prune.remove(module, 'weight')",
        )
    pruned = weight * mask.astype(np.float32)
    pruned.flags.writeable = False
    return pruned
