"""Clips in batches, a few dozen of like length at a time, and their logits back in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.config import SignBartConfig
from signbart_port.data import preprocessing
from signbart_port.data.clip_format import AS_STORED, ClipFormat
from signbart_port.data.model_inputs import Inputs
from signbart_port.data.model_interface import longest_clip, of_model
from signbart_port.errors import PortError

Model = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.floating]]
"""Gives logits (B, labels) for keypoints (B, T, K, 2) and a mask (B, T)."""
_BATCH = 32


@dataclass(frozen=True)
class InferenceBatch:
    """Clips of like length, padded to the longest."""

    indices: NDArray[np.intp]
    """(B,): the index of each clip among all clips."""
    keypoints: NDArray[np.float32]
    """(B, T, K, 2)"""
    attention_mask: NDArray[np.float32]
    """(B, T)"""


def frames_read(config: SignBartConfig, clips: Sequence[NDArray[Any]]) -> NDArray[np.intp]:
    """Return how many frames of each clip a model reads."""
    return np.minimum([len(clip) for clip in clips], longest_clip(config))


def batches(
    config: SignBartConfig,
    clips: Sequence[NDArray[Any]],
    paths: Sequence[Path],
    form: ClipFormat = AS_STORED,
) -> list[InferenceBatch]:
    """Prepare raw clips (T, K, 2 or more) for a model of this config, the shortest first.

    Raises PortError for a clip of another skeleton, by its path.
    """
    interface, most = of_model(config), longest_clip(config)

    def read(index: int) -> NDArray[np.float32]:
        try:
            return interface.prepare_clip(clips[index], config, most, form)
        except ValueError as error:
            raise PortError(paths[index], str(error)) from None

    order = np.argsort(frames_read(config, clips), kind="stable")
    parts = [order[at : at + _BATCH] for at in range(0, len(order), _BATCH)]
    return [
        InferenceBatch(indices, *preprocessing.pad([read(index) for index in indices]))
        for indices in parts
    ]


def batches_of(inputs: Inputs) -> list[InferenceBatch]:
    """Cut prepared clips into batches, in their order."""
    order = np.arange(len(inputs.keypoints))
    parts = [order[at : at + _BATCH] for at in range(0, len(order), _BATCH)]
    return [
        InferenceBatch(part, inputs.keypoints[part], inputs.attention_mask[part]) for part in parts
    ]


def logits(model: Model, batches: Sequence[InferenceBatch]) -> NDArray[np.floating]:
    """Run a model on all batches: logits (N, labels), in the order of the clips."""
    computed = np.concatenate([model(batch.keypoints, batch.attention_mask) for batch in batches])
    ordered = np.empty_like(computed)
    ordered[np.concatenate([batch.indices for batch in batches])] = computed
    return ordered


def to_arrays(batches: Sequence[InferenceBatch]) -> dict[str, NDArray[Any]]:
    """Return the batches as a job hands them to a worker: see `from_arrays`."""
    return {
        f"{number}.{name}": array
        for number, batch in enumerate(batches)
        for name, array in vars(batch).items()
    }


def from_arrays(arrays: Mapping[str, NDArray[Any]], count: int) -> list[InferenceBatch]:
    """Return the `count` batches of which `to_arrays` gave these."""
    names = ("indices", "keypoints", "attention_mask")
    return [InferenceBatch(*(arrays[f"{n}.{name}"] for name in names)) for n in range(count)]
