"""One bit of a file is flipped: it is refused, or without effect; or the format has no checksum."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import soak_by_command
import soak_command
import soak_common
from signbart_port.errors import PortError
from soak_common import Trial

CHECKED = ("zip.pth", "model.h5", "clip.npz")
"""The formats with a checksum of all content: no difference may be silent."""
_KINDS = {
    ".pth": "checkpoint",
    ".safetensors": "checkpoint",
    ".h5": "keras",
    ".tflite": "tflite",
    ".npy": "clip",
    ".npz": "clip",
}


def trials(folder: Path) -> dict[str, Trial]:
    """Return two rows for each format: a file is read, or given to commands."""
    made = soak_common.make_files(folder)
    soak_command.import_verbs()
    soak_command.write_good(folder / "good", made)
    rows = {}
    for name, path in made.items():
        content = path.read_bytes()
        rows[name] = Trial(partial(flip, path, content, soak_common.content_of(path)))
        rows[f"{name}, by command"] = soak_by_command.row(
            _KINDS[path.suffix], name, partial(_flipped_anywhere, content), folder
        )
    return rows


def flip(path: Path, content: bytes, before: Any, _: int, draw: Random) -> tuple[str, str]:
    """Flip a bit of a file and read it."""
    at = draw.randrange(8 * len(content))
    path.write_bytes(_flipped(content, at))
    try:
        if soak_common.content_of(path) == before:
            return "equal", ""
        silent = f"bit {at}: a difference that nothing says" if path.name in CHECKED else ""
        return "different", silent
    except PortError:
        return "refused", ""
    except Exception as error:
        return "an error", f"bit {at}: {type(error).__name__}: {error}"
    finally:
        path.write_bytes(content)


def _flipped(content: bytes, at: int) -> bytes:
    flipped = bytearray(content)
    flipped[at // 8] ^= 1 << at % 8
    return bytes(flipped)


def _flipped_anywhere(content: bytes, draw: Random) -> bytes:
    return _flipped(content, draw.randrange(8 * len(content)))
