"""What a user says of clips: their skeleton by name, and the size of frames in pixels.

Imports no NumPy, as the jobs of workers hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from signbart_port.config import skeletons
from signbart_port.config.skeletons import MEDIAPIPE_75, MEDIAPIPE_100, Skeleton
from signbart_port.errors import PortError, printable

_LARGEST = 100_000  # pixels of a side


@dataclass(frozen=True)
class ClipFormat:
    """What the user says of clips, beyond what they hold."""

    skeleton: str | None = None
    """The known skeleton that they have. None: that of the model."""
    frame_size: tuple[int, int] | None = None
    """Width and height of the frames, in whose pixels coordinates are. None: they are parts of
    the frame's width and height already."""

    @classmethod
    def parse(
        cls, skeleton: str | None, frame_size: str | Sequence[int] | None = None
    ) -> ClipFormat:
        """Read the options `--skeleton` and `--frame-size`. Raises PortError for wrong ones."""
        try:
            name = None if skeleton is None else skeletons.named(skeleton).name
        except ValueError as error:
            raise PortError(None, f"--skeleton {printable(skeleton, 40)}: {error}") from None
        return cls(name, None if frame_size is None else _size(frame_size))

    @property
    def stated(self) -> Skeleton | None:
        """The skeleton that is stated, if any."""
        return None if self.skeleton is None else skeletons.KNOWN[self.skeleton]

    def skeleton_of(self, points: int, read: Skeleton | None = None) -> Skeleton | None:
        """Return the skeleton of clips of so many points: the stated one, the one that a model
        reads, or MediaPipe's. None where their number does not tell."""
        if self.stated:
            return self.stated if self.stated.points == points else None
        for skeleton in (read, MEDIAPIPE_75, MEDIAPIPE_100):
            if skeleton and skeleton.points == points:
                return skeleton
        return None

    def as_dict(self) -> dict[str, Any]:
        """Return what is stated, for JSON."""
        stated = {"skeleton": self.skeleton, "frame_size": self.frame_size}
        return {key: value for key, value in stated.items() if value is not None}


AS_STORED = ClipFormat()
"""Clips of the model's own skeleton, in parts of the frame."""


def _size(stated: str | Sequence[int]) -> tuple[int, int]:
    try:
        sides = [int(side) for side in (stated.split(",") if isinstance(stated, str) else stated)]
    except (TypeError, ValueError):
        sides = []
    if len(sides) != 2 or not all(1 <= side <= _LARGEST for side in sides):
        raise PortError(
            None,
            f"--frame-size {printable(stated, 40)}: it is width and height in pixels",
            "Such as --frame-size 1280,720",
        )
    return sides[0], sides[1]
