"""Clips for training: read and prepared once, and kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.config import SignBartConfig
from signbart_port.data import preprocessing
from signbart_port.data.dataset import Clips, Entry
from signbart_port.data.model_interface import for_layout, longest_clip
from signbart_port.data.preprocessing import Floats
from signbart_port.errors import PortError


@dataclass(frozen=True)
class Examples:
    """The clips of a model's training."""

    entries: tuple[Entry, ...]
    clips: tuple[Floats, ...]  # (T, K, 2) each, clipped and shortened: the input of augmentation
    prepared: tuple[Floats, ...]  # the same clips as the model reads them

    @cached_property
    def targets(self) -> NDArray[np.int64]:
        return np.array([entry.id for entry in self.entries])

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        return np.array([len(clip) for clip in self.clips])

    def __len__(self) -> int:
        return len(self.entries)

    def pick(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Examples:
        """Return the examples at these indices."""
        return Examples(
            tuple(self.entries[index] for index in indices),
            tuple(self.clips[index] for index in indices),
            tuple(self.prepared[index] for index in indices),
        )

    def where(self, keep: Callable[[Entry], bool]) -> Examples:
        """Return the examples of the entries to keep."""
        return self.pick([index for index, entry in enumerate(self.entries) if keep(entry)])


def make_examples(clips: Clips, config: SignBartConfig) -> Examples:
    """Prepare raw clips for a model of this config.

    Raises PortError for a clip of too few joints.
    """
    most = longest_clip(config)
    cut = tuple(preprocessing.clip(preprocessing.shorten(one, most)) for one in clips.keypoints)
    try:
        prepared = tuple(Preparation(config)(cut))
    except ValueError as error:
        raise PortError(clips.entries[0].path, str(error)) from None
    return Examples(clips.entries, cut, prepared)


@dataclass(frozen=True)
class Preparation:
    """The last steps to the inputs of a model of this config."""

    config: SignBartConfig

    def __call__(self, clips: Sequence[Floats]) -> list[Floats]:
        """Normalize clips (T, K, 2), all in one go, and pick the joints if the model does not.

        Raises ValueError for too few joints.
        """
        if not clips:
            return []
        needed = max(preprocessing.SKELETON, 1 + max(self.config.joint_idx))
        if clips[0].shape[1] < needed:
            raise ValueError(f"{clips[0].shape[1]} keypoints, {needed} are needed")
        frames = preprocessing.normalize(
            np.concatenate(clips), count_missing=self.config.count_missing
        )
        read = for_layout(frames, self.config.layout, self.config.joint_idx)
        return np.split(read, np.cumsum([len(clip) for clip in clips])[:-1])
