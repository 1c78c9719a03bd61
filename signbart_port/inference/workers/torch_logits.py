"""The PyTorch SignBART on batches of clips, in a process of its own."""

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
    """Build the model with these weights, by the names of `pt_reference`."""
    import torch

    from pt_reference import SignBart

    model = SignBart(config).eval()
    model.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in weights.items()})

    def run(keypoints: NDArray[np.float32], mask: NDArray[np.float32]) -> NDArray[np.floating]:
        with torch.inference_mode():
            _, logits = model(torch.from_numpy(keypoints), torch.from_numpy(mask))
        found: NDArray[np.floating] = logits.numpy()
        return found

    return run


def _run(job: FrameworkJob, arrays: Arrays) -> Result:
    weights = {n.removeprefix(WEIGHTS): arrays[n] for n in arrays if n.startswith(WEIGHTS)}
    model = model_of(SignBartConfig.of(job.config), weights)
    return None, {"logits": logits(model, from_arrays(arrays, job.batches))}


if __name__ == "__main__":
    # No bound: the driver of a GPU maps as much as the machine has.
    serve(FrameworkJob, _run, framework="torch", memory=None)
