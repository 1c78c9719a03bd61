"""A float32 .tflite to one that computes with integers: the job of ai-edge-quantizer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from signbart_port.data.model_inputs import Inputs
from signbart_port.system.warm_workers import lent
from signbart_port.system.worker import Limits, Worker
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export.conversion import SECONDS

WORKER = "signbart_port.tflite_export.workers.quantizer"
_MOST_JOBS = 12
ROOM = {8: 8.0, 16: 20.0}
"""How far below the lowest score a masked one may be kept, by the bits of an activation: softmax
makes of it at most exp(-8), a tenth of an int8 step. More room would only cost resolution."""


@dataclass(frozen=True)
class Integers:
    """The options of a quantization of a float32 file."""

    quantization: Quantization
    kept: tuple[str, ...] = ()
    """The modules that stay in float."""
    with_weights: bool = False
    """Whether their products with weights do too: these weights then are float32."""


@dataclass(frozen=True)
class QuantizerJob:
    """A quantization of a file; its clips, where there is a calibration, are the job's arrays."""

    source: Path
    ranges: Path
    """A file of the ranges of all tensors: read where it is there, else written."""
    out: Path
    integers: Integers


@contextmanager
def running(
    folder: Path, integers: Integers, out: Path, clips: Inputs | None, seconds: float = SECONDS
) -> Iterator[Worker]:
    """Yield a worker that has begun to quantize `float.tflite` in this folder: `out` is there when
    it has answered.

    The ranges that the clips give stay in the folder for the next time. No clips are needed where
    the mode is not calibrated.
    """
    source = folder / "float.tflite"
    job = QuantizerJob(source.resolve(), ranges_of(folder).resolve(), out.resolve(), integers)
    limits = Limits(seconds, memory=60 * source.stat().st_size)
    with lent(WORKER, most_jobs=_MOST_JOBS) as worker:
        worker.send(job, limits, clips.arrays() if clips else None)
        yield worker


def ranges_of(folder: Path) -> Path:
    """Return the file in which the ranges of a calibration stay."""
    return folder / "ranges.json"


def module_of(name: str) -> str:
    """Return the module in which the tensor of this name is computed, by its path in the model."""
    return name.rpartition("/")[0]
