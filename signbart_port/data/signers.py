"""The signer of a clip, by the name of its file."""

from __future__ import annotations

import os
from pathlib import Path


def signer_of(path: str | os.PathLike[str]) -> str | None:
    """Return the part of a file's name before its first underscore, as in user08_G03_R05.pkl; None
    if there is none."""
    signer, underscore, _ = Path(path).stem.partition("_")
    return signer if underscore and signer else None
