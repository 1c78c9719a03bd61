"""The files in a folder, at most so many and so deep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from signbart_port.untrusted.refusal import Refusal

_DEEPEST = 4


def files_under(folder: Path, most: int = 10_000) -> Iterator[Path]:
    """Yield the files in a folder and the folders in it, those of the upper levels first.

    Hidden names, links to folders and `__MACOSX` are passed over. Raises Refusal for a folder with
    more than `most` files and folders.
    """
    level, visited = [folder], 0
    for _ in range(_DEEPEST):
        below: list[Path] = []
        for parent in level:
            for one in sorted(parent.iterdir()):
                visited += 1
                if visited > most:
                    raise Refusal("is a folder with too many files", "Give the file itself")
                if one.name.startswith((".", "__MACOSX")):
                    continue
                if one.is_dir():
                    if not one.is_symlink():
                        below.append(one)
                elif one.is_file():
                    yield one
        level = below
