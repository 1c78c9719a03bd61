"""SignBART's preparation of a clip, as published: clip, shorten, normalise, pad.

Keypoints are MediaPipe's: x and y in parts of the frame's width and height, a missing one (0, 0);
numbered pose 0-32, left hand 33-53, right hand 54-74, selected face points 75-99. Training puts its
augmentation between `shorten` and `normalise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MOST_FRAMES = 64
GROUPS = {
    "body": slice(11, 17),  # shoulders, elbows and wrists; the other pose points stay as they are
    "left hand": slice(33, 54),
    "right hand": slice(54, 75),
    "face": slice(75, 100),  # empty where the skeleton has no face points
}
_SKELETON = 75
_MARGIN = 0.05


def prepare(keypoints: NDArray[Any], *, count_missing: bool = True) -> Floats:
    """A raw clip (T, K, 2 or more) to what the model reads: (T, K, 2) of at most 64 frames.

    `count_missing` chooses the variant of `normalise`. Raises ValueError for K < 75.
    """
    return normalise(shorten(clip(keypoints)), count_missing=count_missing)


def clip(keypoints: NDArray[Any]) -> Floats:
    """x and y of (..., K, 2 or more) as float32, moved into [0, 1]."""
    clipped: Floats = keypoints[..., :2].astype(np.float32).clip(0, 1)
    return clipped


def shorten(keypoints: Floats, frames: int = MOST_FRAMES) -> Floats:
    """At most `frames` frames of (T, K, 2), evenly chosen, the first and the last among them."""
    kept = np.linspace(0, len(keypoints) - 1, min(len(keypoints), frames)).astype(int)
    shortened: Floats = keypoints[kept]
    return shortened


def normalise(keypoints: Floats, *, count_missing: bool = True) -> Floats:
    """Map the box around each group's points to [0, 1], frame by frame: (..., K, 2) to the same.

    The box is widened to a square with 5 % of its longer side around it, and cut at the edges of
    the picture. Missing points count in the box, as its corner (the published models), or do not
    (`count_missing=False`, the mobile variant); they stay (0, 0) either way. Expects values in
    [0, 1]. Raises ValueError for K < 75: groups go by number.
    """
    joints = keypoints.shape[-2]
    if joints < _SKELETON:
        raise ValueError(f"{joints} keypoints: the whole skeleton has {_SKELETON} or more")
    normalised = keypoints.copy()
    for group in GROUPS.values():
        points = keypoints[..., group, :]
        counted = np.logical_or(points.any(axis=-1, keepdims=True), count_missing)
        start, end = _box(points, counted)
        side = end - start
        np.divide(points - start, side, where=counted & (side != 0), out=normalised[..., group, :])
    return normalised


def pad(clips: Sequence[Floats], frames: int | None = None) -> tuple[Floats, Floats]:
    """A batch of clips, each (T, K, 2): keypoints (N, frames, K, 2) filled up with zeros, and the
    attention mask (N, frames), 1 for a real frame.

    `frames` is the longest clip's by default. Raises ValueError for a longer clip.
    """
    lengths = np.array([len(one) for one in clips])
    frames = int(lengths.max()) if frames is None else frames
    mask = np.arange(frames) < lengths[:, None]
    keypoints = np.zeros((*mask.shape, *clips[0].shape[1:]), np.float32)
    keypoints[mask] = np.concatenate(clips)
    return keypoints, mask.astype(np.float32)


def _box(points: Floats, counted: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """The corners (..., 1, 2) of the square around the counted points of a group (..., P, 2)."""
    low = points.min(axis=-2, keepdims=True, where=counted, initial=1)
    high = points.max(axis=-2, keepdims=True, where=counted, initial=0)
    sides = high - low
    longer = sides.max(axis=-1, keepdims=True)
    margin = _MARGIN * longer + (longer - sides) / 2
    return (low - margin).clip(0, 1), (high + margin).clip(0, 1)
