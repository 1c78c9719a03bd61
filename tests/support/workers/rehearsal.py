"""A worker that does what its job says: for the tests of the protocol."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np

from signbart_port.errors import PortError
from signbart_port.system.serving import Arrays, Result, serve

MODULE = __name__ if __name__ != "__main__" else "tests.support.workers.rehearsal"
BASE = 2 << 30


class Act(Enum):
    """The thing to do."""

    DOUBLE = "double"
    REFUSE = "refuse"
    RAISE = "raise"
    UNPICKLE = "unpickle"
    EXIT = "exit"
    LEAVE = "leave"
    CRASH = "crash"
    SLEEP = "sleep"
    FILL = "fill"
    TELL = "tell"
    NO_SPACE = "no space"


@dataclass(frozen=True)
class Part:
    """A dataclass inside a job."""

    sizes: tuple[int, ...]
    of: Path | None


@dataclass(frozen=True)
class Rehearsal:
    """A job with fields of every type."""

    act: Act
    part: Part = Part((), None)
    share: float = 1.5
    names: tuple[str, int] = ("a", 1)
    more: dict[str, Any] | None = None


def _run(job: Rehearsal, arrays: Arrays) -> Result:
    print("printed in a job")
    match job.act:
        case Act.REFUSE:
            raise PortError(job.part.of, "is not what it should be", "Give another")
        case Act.RAISE:
            raise IndexError("first line\nsecond line")
        case Act.UNPICKLE:
            raise UnpicklingError("set weights_only=False")
        case Act.EXIT:
            raise SystemExit("the last words")
        case Act.LEAVE:
            raise SystemExit(0)
        case Act.CRASH:
            os.kill(os.getpid(), signal.SIGSEGV)
        case Act.SLEEP:
            (job.part.of or Path(os.devnull)).write_text(str(os.getpid()))
            time.sleep(600)
        case Act.NO_SPACE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        case Act.DOUBLE if job.part.sizes == (0,):  # the disk is full from here on
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        case Act.FILL:
            np.empty(job.part.sizes, np.uint8)  # untouched: no page of it is real
        case Act.TELL:
            return {"pid": os.getpid(), "modules": sorted(sys.modules)}, {}
    return job, {name: 2 * array for name, array in arrays.items()}


if __name__ == "__main__":
    FRAMEWORK = os.environ.get("FRAMEWORK", "decimal")
    serve(Rehearsal, _run, framework=FRAMEWORK, memory=BASE)
