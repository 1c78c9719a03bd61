"""Write weights the way PyTorch's users keep them: as .safetensors, or as torch.save does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from signbart_port.errors import PortError
from signbart_port.system.warm_workers import lent
from signbart_port.system.worker import FailureKind, Limits, WorkerFailed

WORKER = "signbart_port.checkpoint.workers.torch_save"
DATA = "data"
"""The array of bytes in which the worker gives the file."""
_SECONDS = 600
_MEMORY = 10  # times the tensors


@dataclass(frozen=True)
class StateLayout:
    """A model's state dict without its tensors, in the model's own order."""

    names: tuple[str, ...]
    """The name of each tensor."""
    versions: Mapping[str, int]
    """The version of each module by its path: what PyTorch keeps as the metadata."""


@dataclass(frozen=True)
class TorchSave:
    """The job of torch.save; the tensors are its arrays."""

    layout: StateLayout
    beside: Mapping[str, Any] | None
    """Plain data to save with the weights, which then are under `model`."""


def safetensors_bytes(
    tensors: Mapping[str, npt.NDArray[Any]], beside: Mapping[str, Any] | None = None
) -> bytes:
    """Encode `tensors` as .safetensors, with the plain data `beside` as JSON in the metadata.

    Its `config` is where this package's reader looks for one. The library sorts the names.
    """
    metadata = {"format": "pt"} | {key: json.dumps(value) for key, value in (beside or {}).items()}
    return safetensors.numpy.save(_contiguous(tensors), metadata)


def torch_bytes(
    tensors: Mapping[str, npt.NDArray[Any]],
    layout: StateLayout,
    beside: Mapping[str, Any] | None = None,
) -> bytes:
    """Encode `tensors` as torch.save does for the state dict of the model that has this `layout`.

    With the plain data `beside`, it is a dict of these and the weights under `model`. PyTorch runs
    in a process of its own. Raises PortError for tensors of another model, and where it fails.
    """
    for name in layout.names:
        if name not in tensors:
            raise PortError(None, f"PyTorch cannot write the checkpoint (no tensor {name})")
    for name in tensors.keys() - set(layout.names):
        raise PortError(None, f"PyTorch cannot write the checkpoint (an unexpected tensor {name})")
    limits = Limits(_SECONDS, _MEMORY * sum(tensor.nbytes for tensor in tensors.values()))
    with lent(WORKER) as worker:
        try:
            answer = worker.run(TorchSave(layout, beside), limits, _contiguous(tensors))
        except WorkerFailed as error:
            failure = error.failure
            if failure.kind is FailureKind.REFUSED:  # such as a full temporary folder
                raise error.error(None, "PyTorch cannot write the checkpoint") from None
            ended = failure.kind is FailureKind.SIGNAL
            reason = f"status {failure.status}" if ended else failure.message
            raise PortError(None, f"PyTorch cannot write the checkpoint ({reason})") from None
        return answer.arrays[DATA].tobytes()


def _contiguous(tensors: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Return the tensors laid out in the order of their dimensions.

    safetensors writes the memory of a transposed view as it lies, under the view's shape, and
    torch.save keeps its strides.
    """
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}
