"""PyTorch's run of a checkpoint, in a process of its own beside this one.

Two processes halve the wait, since importing the frameworks dominates it; keep PyTorch's loader
within bounds of memory and time; and never put both frameworks into one address space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from signbart_port.errors import PortError
from signbart_port.parity.compare import Truth
from signbart_port.parity.pair import Case
from signbart_port.parity.proof import Call
from signbart_port.parity.taps import Floats
from signbart_port.parity.torch_recording import TorchRecord
from signbart_port.parity.workers import torch_run
from signbart_port.parity.workers.torch_run import TorchJob, TorchResult
from signbart_port.system.warm_workers import lent
from signbart_port.system.worker import FailureKind, Limits, Worker, WorkerFailed

_SECONDS = 1200
NOT_READ_ITSELF = (
    "PyTorch's reader does not read this file itself, and read the weights as this program has"
    " rewritten them: their names and shapes were read by this program alone, in two ways"
)


class RecordedRun:
    """A run of PyTorch that is kept in a folder.

    Of a reference, the outputs are float64, and `noise` says how far PyTorch in float32 was from
    them in the whole run; `alone.noise` how far each module alone, fed the inputs of `calls`.
    Else the outputs are those of the float32 run, or its logits, and these are empty.
    """

    def __init__(self, folder: Path, record: Callable[[], TorchRecord]) -> None:
        self.folder, self._record = folder, record

    @cached_property
    def record(self) -> TorchRecord:
        """The record, once it is there."""
        return self._record()

    @property
    def noise(self) -> Mapping[str, float]:
        return self.record.noise

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every module's call, in the order in which they ended."""
        return tuple(
            Call(
                call.path,
                call.number,
                call.taps,
                tuple(self.folder / file for file in call.files),
            )
            for call in self.record.calls
        )

    @property
    def alone(self) -> Truth:
        """The truth of modules that run alone: the same outputs, another noise."""
        return _Alone(self)

    def value(self, tap: str) -> Floats:
        array: NDArray[np.floating] = np.load(self._file(tap))
        return array

    def shape(self, tap: str) -> tuple[int, ...]:
        """Return the shape of an output, which is not read."""
        array: NDArray[np.floating] = np.load(self._file(tap), mmap_mode="r")
        return array.shape

    def _file(self, tap: str) -> Path:
        return self.folder / f"{self.record.taps.index(tap)}.npy"

    def outputs(self) -> Iterator[tuple[str, Floats]]:
        """Yield every tap and its output, in the order of the run."""
        for tap in self.record.taps:
            yield tap, self.value(tap)


class _Alone:
    def __init__(self, run: RecordedRun) -> None:
        self.noise = run.record.alone
        self.value = run.value


@contextmanager
def running(
    path: Path,
    job: TorchJob,
    case: Case,
    digests: Callable[[], Mapping[str, str]],
    program: str = "",
) -> Iterator[TorchRun]:
    """Yield a run of PyTorch that has begun; leaving the context ends it. See `TorchRun`.

    `program` stands for what the process has imported and may not keep, see `lent`.
    """
    with lent(torch_run.__name__, program=program) as worker:
        yield TorchRun(worker, path, job, case, digests)


class TorchRun(RecordedRun):
    """A run of PyTorch in a worker; with `job.truth`, of a reference.

    `digests` returns those of the tensors as this program has read them, by name: it is called
    while PyTorch is being imported. `path` is the file that errors name.
    """

    def __init__(
        self,
        worker: Worker,
        path: Path,
        job: TorchJob,
        case: Case,
        digests: Callable[[], Mapping[str, str]],
    ) -> None:
        super().__init__(worker.folder, lambda: self.result.record)
        self._worker, self._path = worker, path
        files = tuple(file.resolve() for file in job.weights.files)
        weights = replace(job.weights, files=files)
        job = replace(job, weights=weights, mapping=job.mapping.resolve())
        limits = Limits(_SECONDS, memory=30 * sum(file.stat().st_size for file in files))
        worker.send(job, limits, torch_run.arrays_of(case))
        self._digests = digests()

    def wait(self) -> None:
        """Wait until it has ended. Raises PortError as `result` does."""
        _ = self.result

    @cached_property
    def result(self) -> TorchResult:
        """The result; waits for the process.

        Raises PortError where PyTorch cannot read or run the checkpoint, or reads other values than
        `signbart_port.checkpoint` did.
        """
        path = self._path
        try:
            result = self._worker.answer().read(TorchResult)
        except WorkerFailed as failed:
            if failed.failure.kind is FailureKind.TIMEOUT:
                raise PortError(path, f"PyTorch {failed}") from None
            raise failed.error(
                path,
                "PyTorch refuses to read or run it",
                "Save it again: torch.save(model.state_dict(), path)",
            ) from None
        for name, value in result.digests.items():
            if self._digests[name] != value:
                raise PortError(path, f"PyTorch reads other values of {name} than this program")
        return result

    @property
    def notes(self) -> tuple[str, ...]:
        """What PyTorch's reading does not vouch for."""
        return () if self.result.read_itself else (NOT_READ_ITSELF,)
