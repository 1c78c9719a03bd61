"""A verb of a pair in a process of its own: the pair's file is a program, and runs nowhere else.

What that program prints is not the command's, and what ends it is an error in one line. A pair that
is an object of the calling program is that program's own code, and stays in its process, as does
this program's own SignBART (None).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from signbart_port.errors import ProofError
from signbart_port.parity.load_pair import is_file
from signbart_port.parity.pair import Pair
from signbart_port.parity.report import Report
from signbart_port.system import atomic_output
from signbart_port.system.messages import from_plain, to_plain
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.system.warm_workers import lent
from signbart_port.system.worker import FailureKind, Limits, Worker, WorkerFailed

_WORKER = "signbart_port.verbs.workers.pair_verb"
T = TypeVar("T")


@dataclass(frozen=True)
class VerbJob:
    """A call of a function of `signbart_port.verbs`, which loads the pair itself."""

    module: str
    function: str
    arguments: Mapping[str, Any]
    """Plain values, by name; a `progress` is the worker's own."""


@dataclass(frozen=True)
class VerbResult:
    """What the function returned, or the failed proof that it raised."""

    returned: Any = None
    unequal: str | None = None
    report: Report | None = None
    """Of a failed proof."""


@dataclass(frozen=True)
class PairProcess:
    """Where the functions that load a pair are called."""

    pair: str | Pair | None
    worker: Worker | None
    """None: in this process."""

    def call(
        self,
        function: Callable[..., T],
        *,
        progress: ProgressCallback | None = None,
        out: Path | None = None,
        **given: Any,
    ) -> T:
        """Call a function that takes these arguments, and the pair.

        They and what it returns are plain values and dataclasses of such. What it leaves half
        written of `out`, where its process ends, is removed. Raises what it raises, and PortError
        where its process ends, or where it raises what is no error of this program.
        """
        given |= {"pair": self.pair} | ({} if out is None else {"out": out})
        if self.worker is None:
            return function(**given, **({} if progress is None else {"progress": progress}))
        job = VerbJob(function.__module__, function.__name__, to_plain(given))
        try:
            self.worker.send(job, Limits(seconds=None))
            result = self.worker.answer(progress or no_progress).read(VerbResult)
        except WorkerFailed as failed:
            refused = failed.failure.kind is FailureKind.REFUSED
            named = None if refused else str(self.pair)
            raise failed.error(named, "the process that runs it fails") from None
        except BaseException:
            self.worker.end()
            raise
        finally:
            if out is not None and not self.worker.lives():
                atomic_output.sweep(out)
        if result.unequal is not None:
            raise ProofError(result.unequal, result.report)
        returned: T = from_plain(get_type_hints(function)["return"], result.returned)
        return returned


@contextmanager
def pair_process(pair: str | Pair | None, *, kept: bool = True) -> Iterator[PairProcess]:
    """Yield the process that a pair runs in, which may be `kept` for the next call. One that has
    run a file of the user's is not: what that imports may be another when it is next loaded."""
    if not isinstance(pair, str):
        yield PairProcess(pair, None)
        return
    program = pair if kept and not is_file(pair) else secrets.token_hex()
    with lent(_WORKER, program=program) as worker:
        yield PairProcess(pair, worker)


def call_with_pair(function: Callable[..., T], pair: str | Pair | None, **given: Any) -> T:
    """Call a function that loads a pair, in a process of its own; see `PairProcess.call`."""
    with pair_process(pair) as process:
        return process.call(function, **given)
