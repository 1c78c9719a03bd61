"""Locks on files and folders, which end with the process that holds them."""

from __future__ import annotations

import fcntl
from enum import Enum


class Lock(Enum):
    """What came of the wish for a lock."""

    HELD = "held"
    BUSY = "busy"
    """Somebody else holds it."""
    NONE = "none"
    """This filesystem has no locks."""


def take(descriptor: int, *, shared: bool = False) -> Lock:
    """Lock an open file or folder, without waiting; closing the descriptor gives it back."""
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return Lock.BUSY
    except OSError:
        return Lock.NONE
    return Lock.HELD
