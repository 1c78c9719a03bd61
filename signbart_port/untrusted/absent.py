"""A path with nothing there, and what was probably meant."""

from __future__ import annotations

import os
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from signbart_port.errors import printable
from signbart_port.untrusted.refusal import Refusal

_MOST = 1000  # names of a folder that are compared
_ALIKE = 0.8  # the share of its letters that a name must have in their order


def absent(path: str | os.PathLike[str]) -> Refusal:
    """Return the refusal of a path with nothing there: it names what is called alike beside it."""
    path = Path(path)
    try:
        with os.scandir(path.parent) as entries:
            names = sorted(entry.name for entry in islice(entries, _MOST))
    except OSError:
        return Refusal("does not exist", f"There is no folder {printable(path.parent)}")
    alike = get_close_matches(path.name, names, n=1, cutoff=_ALIKE)
    meant = f"Did you mean {printable(path.with_name(alike[0]))}?" if alike else "Check the path"
    return Refusal("does not exist", meant)
