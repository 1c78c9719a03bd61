"""A new folder, the whole of it or nothing."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from signbart_port.errors import PortError

_ANOTHER = "Name a new folder: nothing is replaced"


@contextmanager
def appearing(root: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder beside `root` to write into; on clean exit it becomes `root`.

    After any exception it is gone. Raises PortError where `root` exists and is not an empty folder,
    where its parent is missing, and when the disk refuses a write.
    """
    target = Path(os.path.realpath(root))
    temp = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
    try:
        _refuse(root, target)
        temp.mkdir()
        yield temp
        temp.rename(target)  # takes the place of an empty folder, and of nothing else
    except OSError as error:
        raise PortError(root, f"cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(temp, ignore_errors=True)


def _refuse(root: str | os.PathLike[str], target: Path) -> None:
    if os.path.lexists(target) and not target.is_dir():
        raise PortError(root, "is not a folder", _ANOTHER)
    if not target.parent.is_dir():
        raise PortError(root, "its folder does not exist", "Create it, or name another")
    if target.is_dir() and any(target.iterdir()):
        raise PortError(root, "is not empty", _ANOTHER)
    if target == Path.cwd():  # it would be replaced under whoever stands in it
        raise PortError(root, "is the current folder", _ANOTHER)
