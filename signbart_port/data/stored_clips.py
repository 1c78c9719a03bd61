"""Clips of sample files, of which a bounded amount is held in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from signbart_port.data import samples
from signbart_port.errors import PortError

ROOM = 256 << 20
"""Bytes of clips that are held: 7,000 clips of 64 frames of 75 points."""


@dataclass(frozen=True)
class StoredClip:
    """A clip (T, K, 2 or more) that is held, or is read again from its file each time."""

    path: Path
    shape: tuple[int, ...]
    held: NDArray[np.floating[Any]] | None

    def read(self) -> NDArray[np.floating[Any]]:
        """Return the clip. Raises PortError if its file cannot be read again as it was."""
        if self.held is not None:
            return self.held
        clip = samples.read(self.path).keypoints
        if clip.shape != self.shape:
            raise PortError(self.path, "was changed while it was in use", "Run it again")
        return clip


class StoredClips(Sequence[NDArray[np.floating[Any]]]):
    """Clips in order."""

    def __init__(self, clips: Sequence[StoredClip]) -> None:
        self._clips = clips

    def __len__(self) -> int:
        return len(self._clips)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.floating[Any]]: ...
    @overload
    def __getitem__(self, index: slice) -> StoredClips: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.floating[Any]] | StoredClips:
        if isinstance(index, slice):
            return StoredClips(self._clips[index])
        return self._clips[index].read()

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shape of each clip: none is read for it."""
        return [clip.shape for clip in self._clips]
