"""Who signs in a clip, by the name of its file."""

from __future__ import annotations

import os
from pathlib import Path


def signer_of(path: str | os.PathLike[str]) -> str | None:
    """What stands before the first underscore of a file's name, as in user08_G03_R05.pkl; None
    where there is none."""
    signer, underscore, _ = Path(path).stem.partition("_")
    return signer if underscore and signer else None
