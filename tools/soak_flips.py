"""One bit of a file is flipped: it is refused, or without effect; or the format has no checksum."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import soak_common
from signbart_port.errors import PortError
from soak_common import Trial

CHECKED = ("zip.pth", "model.h5", "clip.npz")
"""The formats with a checksum of all content: no difference may be silent."""


def trials(folder: Path) -> dict[str, Trial]:
    """Return a row for each format."""
    return {
        name: Trial(partial(flip, path, path.read_bytes(), soak_common.content_of(path)))
        for name, path in soak_common.make_files(folder).items()
    }


def flip(path: Path, content: bytes, before: Any, _: int, draw: Random) -> tuple[str, str]:
    """Flip a bit of a file and read it."""
    at = draw.randrange(8 * len(content))
    flipped = bytearray(content)
    flipped[at // 8] ^= 1 << at % 8
    path.write_bytes(flipped)
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
