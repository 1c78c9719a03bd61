"""Clips as a model reads them, and the files that hand them to another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.data.preprocessing import kept_frames


@dataclass(frozen=True)
class Inputs:
    """Clips to run."""

    names: tuple[str, ...]  # what the clips are called in reports
    keypoints: NDArray[np.float32]  # (N, T, K, 2)
    attention_mask: NDArray[np.float32]  # (N, T)

    @property
    def classified(self) -> NDArray[np.bool_]:
        """The frames that count, (N, T): real ones, and the one that is classified if none is."""
        frames = np.arange(self.attention_mask.shape[1])
        real = self.attention_mask == 1
        counted: NDArray[np.bool_] = real | (frames == (frames * real).max(axis=1)[:, None])
        return counted

    def beginning_real(self) -> Inputs:
        """Return the clips whose mask is that of a padded clip: real frames, then padding."""
        mask = self.attention_mask == 1
        plain = mask[:, 0] & ~(mask[:, 1:] & ~mask[:, :-1]).any(axis=1)
        names = tuple(name for name, kept in zip(self.names, plain, strict=True) if kept)
        return Inputs(names, self.keypoints[plain], self.attention_mask[plain])

    def shortened(self, frames: int) -> Inputs:
        """Return the clips with at most `frames` frames each, evenly chosen."""
        kept = kept_frames(self.attention_mask.shape[1], frames)
        return Inputs(self.names, self.keypoints[:, kept], self.attention_mask[:, kept])

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the arrays by name, as a job hands them to a worker: see `from_arrays`."""
        return {"keypoints": self.keypoints, "attention_mask": self.attention_mask}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Inputs:
        """Return the clips, without their names, of which `arrays` gave these."""
        return cls((), arrays["keypoints"], arrays["attention_mask"])

    def drawn(self) -> tuple[str, ...]:
        """Return the attention masks for the user: a character per frame, 1 for a real one."""
        return tuple("".join("1" if m == 1 else "0" for m in mask) for mask in self.attention_mask)
