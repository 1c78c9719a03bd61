"""A checkpoint read by this program and by PyTorch's own reader, its witness."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from signbart_port.checkpoint import Checkpoint
from signbart_port.model_files import mappings, wanted
from signbart_port.parity.workers import torch_weights


def read_twice(path: Path, weights: str | None = None) -> tuple[Checkpoint, bool]:
    """Read a SignBART's checkpoint with both readers, and assert that they agree bit for bit.

    Returns what this program read, and whether PyTorch read the file itself.
    """
    found = wanted.read(path, mappings.signbart(), weights)
    read, itself = torch_weights.read(found.location)
    assert read.keys() == found.tensors.keys()
    for name, tensor in read.items():
        array = np.ascontiguousarray(tensor.numpy())
        assert array.shape == found.tensors[name].shape, name
        assert array.tobytes() == found.tensors[name].astype(np.float32).tobytes(), name
    return found, itself
