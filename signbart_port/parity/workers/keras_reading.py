"""A model file that was just written, opened in a process that knows nothing but the file and the
pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.parity.load_pair import import_pair
from signbart_port.system import digest, serving


@dataclass(frozen=True)
class ReadingJob:
    """The job: to open a file, and run its model on the arrays beside the job."""

    file: Path
    pair: str
    """The place that the pair is imported from, see `load_pair.place_of`."""
    config: Mapping[str, Any]
    stored: Mapping[str, Any]
    weights: bool = False
    """Whether to read the weights alone, into the pair's own model, and return them."""


@dataclass(frozen=True)
class ReadingResult:
    """The weights of the model, in its own order, and its output beside it."""

    paths: tuple[str, ...]
    digests: tuple[str, ...]


def _run(
    job: ReadingJob, arrays: Mapping[str, NDArray[Any]]
) -> tuple[ReadingResult, Mapping[str, NDArray[Any]]]:
    import keras

    pair = import_pair(job.pair)
    if job.weights or job.file.name.endswith(".weights.h5"):
        model = pair.keras_model(pair.read_config(job.config, job.stored))
        model.load_weights(job.file)
    else:
        objects = dict(pair.custom_objects)
        model = keras.saving.load_model(job.file, custom_objects=objects, compile=False)
    outputs = {}
    if job.weights:
        outputs = {weight.path: weight.numpy() for weight in model.weights}
    elif arrays:
        outputs["output"] = np.asarray(pair.keras_output(pair.call_keras(model, arrays)))
    weights = model.weights
    digests = tuple(digest.of_tensor(weight.numpy()) for weight in weights)
    return ReadingResult(tuple(weight.path for weight in weights), digests), outputs


if __name__ == "__main__":
    serving.serve(ReadingJob, _run, framework="keras", memory=None)
