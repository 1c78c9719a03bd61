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
from signbart_port.data.clip_fitting import fit
from signbart_port.data.clip_format import AS_STORED, ClipFormat
from signbart_port.data.clips import RealClips
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


def make_examples(
    clips: Clips | RealClips, config: SignBartConfig, form: ClipFormat = AS_STORED
) -> Examples:
    """Prepare raw clips of this format for a model of this config.

    Raises PortError for clips of another skeleton.
    """
    most, skeleton = longest_clip(config), config.whole_skeleton
    try:
        fitted = [fit(clip, form, skeleton, config.joint_idx) for clip in clips.keypoints]
    except ValueError as error:
        raise PortError(clips.entries[0].path, str(error)) from None
    cut = tuple(preprocessing.clip(preprocessing.shorten(one, most)) for one in fitted)
    return Examples(clips.entries, cut, tuple(Preparation(config)(cut)))


@dataclass(frozen=True)
class Preparation:
    """The last steps to the inputs of a model of this config."""

    config: SignBartConfig

    def __call__(self, clips: Sequence[Floats]) -> list[Floats]:
        """Normalize clips (T, K, 2), all in one go, and pick the joints if the model does not."""
        if not clips:
            return []
        frames = preprocessing.normalize(
            np.concatenate(clips),
            count_missing=self.config.count_missing,
            skeleton=self.config.whole_skeleton,
        )
        read = for_layout(frames, self.config.layout, self.config.joint_idx)
        return np.split(read, np.cumsum([len(clip) for clip in clips])[:-1])
