"""Write weights the way PyTorch's users keep them: as .safetensors, or as torch.save does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from signbart_port.errors import PortError
from signbart_port.system import processes


def safetensors_bytes(
    tensors: Mapping[str, npt.NDArray[Any]], beside: Mapping[str, Any] | None = None
) -> bytes:
    """A .safetensors file of `tensors`, with the plain data `beside` as JSON in its metadata.

    Its `config` is where this package's reader looks for one. The library sorts the names.
    """
    # The library writes the memory of a transposed view as it lies, under the view's shape.
    laid_out = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    metadata = {"format": "pt"} | {key: json.dumps(value) for key, value in (beside or {}).items()}
    return safetensors.numpy.save(laid_out, metadata)


def torch_bytes(
    tensors: Mapping[str, npt.NDArray[Any]],
    config: Mapping[str, Any],
    beside: Mapping[str, Any] | None = None,
) -> bytes:
    """What torch.save writes for a SignBART of this `config` with these `tensors`.

    Its bare state dict; or, with the plain data `beside`, a dict of these and the weights under
    `model`. PyTorch runs in a process of its own. Raises PortError where it fails.
    """
    job = json.dumps({"config": config, "beside": beside}).encode()
    done = subprocess.run(
        processes.command("signbart_port.checkpoint.workers.torch_save"),
        input=job + b"\n" + safetensors_bytes(tensors),
        capture_output=True,
    )
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        reason = last or f"status {done.returncode}"
        raise PortError(None, f"PyTorch cannot write the checkpoint ({reason})")
    return done.stdout
