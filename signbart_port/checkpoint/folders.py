"""The one checkpoint in a folder."""

from __future__ import annotations

import os
from pathlib import Path

from signbart_port.errors import PortError

_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")
_BESIDE = ("optimizer", "scheduler", "scaler", "rng_state", "training_args")


def weights_file(path: str | os.PathLike[str]) -> Path:
    """Return the one checkpoint in a folder, and any other path as it is.

    Raises PortError for a folder with none, or with several.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    found = sorted(
        file
        for file in path.iterdir()
        if file.suffix in _SUFFIXES and not file.name.startswith(_BESIDE)
    )
    if len(found) != 1:
        named = ", ".join(file.name for file in found[:6]) or "none"
        raise PortError(
            path, f"is a folder with {len(found)} checkpoints ({named})", "Give one of them"
        )
    return found[0]
