"""The job that makes an integer file of a pair's float32 one, and the ranges that it is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from signbart_port.errors import ProofError
from signbart_port.system.warm_workers import lent
from signbart_port.system.worker import FailureKind, Limits, WorkerFailed
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export.activation_ranges import Ranges
from signbart_port.tflite_export.pair_conversion import Arrays

_WORKER = "signbart_port.tflite_export.workers.pair_quantizer"
_SECONDS = 900
_MEMORY = 60
"""The times the size of the file that a quantization may take."""

Calibration = Mapping[str, Sequence[Arrays]]
"""The batches of a calibration, by signature: the inputs by name."""


@dataclass(frozen=True)
class PairQuantizerJob:
    """A measurement of the ranges in a float32 file, and the quantization for them.

    The batches are the job's arrays, see `key_of`. The answer's arrays are the ranges of each
    subgraph, by its number.
    """

    source: Path
    batches: tuple[tuple[str, tuple[str, ...]], ...]
    """The signature of each batch, and the names of its inputs."""
    files: Mapping[str, Path]
    """The file to write for each mode, by its name."""


def key_of(batch: int, name: str) -> str:
    """Return the name of the array of an input, by the number of its batch."""
    return f"{batch}.{name}"


def quantize(
    source: Path, calibration: Calibration, files: Mapping[Quantization, Path], named: str
) -> Ranges:
    """Measure the ranges of a float32 file, and write the `files` with integers for them.

    Raises ProofError, on the model `named` so, where that cannot be done.
    """
    batches = [(name, batch) for name, given in calibration.items() for batch in given]
    arrays = {
        key_of(number, name): array
        for number, (_, batch) in enumerate(batches)
        for name, array in batch.items()
    }
    size = source.stat().st_size + sum(array.nbytes for array in arrays.values())
    job = PairQuantizerJob(
        source.resolve(),
        tuple((name, tuple(batch)) for name, batch in batches),
        {mode.value: path.resolve() for mode, path in files.items()},
    )
    with lent(_WORKER, program=str(source)) as worker:
        worker.send(job, Limits(_SECONDS, _MEMORY * size), arrays)
        try:
            return {int(number): ranges for number, ranges in worker.answer().arrays.items()}
        except WorkerFailed as failed:
            if failed.failure.kind is FailureKind.REFUSED:  # such as a full temporary folder
                raise failed.error(named, "ai-edge-quantizer") from None
            raise ProofError(f"{named}: ai-edge-quantizer {failed}") from None
