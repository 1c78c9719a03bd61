"""The Keras SignBART on batches of clips, in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.config import SignBartConfig
from signbart_port.inference.batches import Model, from_arrays, logits
from signbart_port.inference.jobs import WEIGHTS, FrameworkJob
from signbart_port.system.serving import Arrays, Result, serve


def model_of(config: SignBartConfig, weights: Mapping[str, NDArray[Any]]) -> Model:
    """Build the model with these weights, by their variable paths."""
    from signbart_port.keras_model import SignBart
    from signbart_port.keras_model.weights import assign

    model = SignBart(config)
    assign(model, weights.items())
    return lambda keypoints, mask: np.asarray(model(keypoints, mask, training=False))


def _run(job: FrameworkJob, arrays: Arrays) -> Result:
    weights = {n.removeprefix(WEIGHTS): arrays[n] for n in arrays if n.startswith(WEIGHTS)}
    model = model_of(SignBartConfig.of(job.config), weights)
    return None, {"logits": logits(model, from_arrays(arrays, job.batches))}


if __name__ == "__main__":
    # No bound: the driver of a GPU maps as much as the machine has.
    serve(FrameworkJob, _run, framework="keras", memory=None)
