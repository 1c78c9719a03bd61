"""Atomic folders: a new folder appears complete or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from signbart_port.errors import PortError
from signbart_port.system import own_files
from signbart_port.system.atomic_output import refused_by_disk

_ANOTHER = "Name a new folder: nothing is replaced"


@contextmanager
def appearing(root: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a folder beside `root` to write into; on clean exit it becomes `root`.

    After any exception it is removed. Raises PortError if `root` exists and is not an empty folder,
    if its parent is missing, or if the disk refuses a write.
    """
    target = Path(os.path.realpath(root))
    temp = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
    try:
        _check_absent(root, target)
        with own_files.owned(temp):
            temp.mkdir()
            yield temp
            temp.rename(target)  # replaces an empty folder, and nothing else
    except PortError as error:
        if error.path is None or not Path(error.path).is_relative_to(temp):
            raise
        raise PortError(root, error.what, error.hint) from error  # nobody has seen the other name
    except OSError as error:
        raise refused_by_disk(root, error) from error


def _check_absent(root: str | os.PathLike[str], target: Path) -> None:
    if os.path.lexists(target) and not target.is_dir():
        raise PortError(root, "is not a folder", _ANOTHER)
    if not target.parent.is_dir():
        raise PortError(root, "its folder does not exist", "Create it, or name another")
    if target.is_dir() and any(target.iterdir()):
        raise PortError(root, "is not empty", _ANOTHER)
    if target == Path.cwd():  # replacing it would pull it from under the user's shell
        raise PortError(root, "is the current folder", _ANOTHER)
