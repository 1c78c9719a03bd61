"""A Keras model to a .tflite in float: the job of TensorFlow's converter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signbart_port.data.model_interface import Interface
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.system.warm_workers import lent
from signbart_port.system.worker import Limits, Worker
from signbart_port.tflite.modes import Quantization

WORKER = "signbart_port.tflite_export.workers.converter"
MASK_BOUND = -100.0
"""What the masks of an integer graph add (see `keras_model.masks`). In float, keys that score up to
80 above the best real one still get no more than exp(-20) of its weight."""
PREPROCESSING = "preprocessing"
"""The scope of the operators that prepare raw keypoints: a quantizer leaves them in float."""
_MOST_JOBS = 12
SECONDS = 900
"""For a conversion, and for a calibration: both take seconds, a few minutes for the largest."""


@dataclass(frozen=True)
class Conversion:
    """The options of a conversion of a Keras model."""

    frames: tuple[int, ...]
    """The lengths, a signature for each; none where the number is set at run time."""
    quantization: Quantization
    """A mode that needs calibration gives a float32 file, ready to be calibrated."""
    interface: Interface


@dataclass(frozen=True)
class ConverterJob:
    """A conversion of a model, whose weights are the job's arrays."""

    config: Mapping[str, Any]
    out: Path
    conversion: Conversion


@contextmanager
def running(
    model: KerasModel, conversion: Conversion, out: Path, seconds: float = SECONDS
) -> Iterator[Worker]:
    """Yield a worker that has begun to convert: `out` is there when it has answered."""
    size = sum(tensor.nbytes for tensor in model.tensors.values())
    config = model.config.model_dump(exclude={"training"})
    job = ConverterJob(config, out.resolve(), conversion)
    with lent(WORKER, most_jobs=_MOST_JOBS) as worker:
        worker.send(job, Limits(seconds, memory=40 * size), model.tensors)
        yield worker
