"""SignBART's preparation of a clip, as published: clip, shorten, normalize, pad.

Keypoints are MediaPipe's: x and y as fractions of the frame's width and height, a missing one (0,
0); numbered as the model's skeleton has them (see `config.skeletons`). A point with a coordinate
that is NaN or infinite is a missing one. Training puts its augmentation between `shorten` and
`normalize`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.config.skeletons import MEDIAPIPE_75, Skeleton

Floats = NDArray[np.float32]

MOST_FRAMES = 64
MARGIN = 0.05
"""The share of its longer side by which a box is widened, on every side."""


def prepare(
    keypoints: NDArray[Any], *, count_missing: bool = True, skeleton: Skeleton = MEDIAPIPE_75
) -> Floats:
    """Turn a raw clip (T, K, 2 or more) into the model's input: (T, K, 2) of at most 64 frames.

    `count_missing` and `skeleton` are those of `normalize`, which raises ValueError.
    """
    # Shortened first: the frames that are left out need no clipping.
    clipped = clip(shorten(keypoints))
    return normalize(clipped, count_missing=count_missing, skeleton=skeleton)


def clip(keypoints: NDArray[Any]) -> Floats:
    """Return x and y of (..., K, 2 or more) as float32, clipped to [0, 1]; (0, 0) if either
    coordinate of a point is not finite."""
    with np.errstate(over="ignore"):  # a float64 beyond float32 is infinite
        clipped: Floats = keypoints[..., :2].astype(np.float32)
    finite = np.isfinite(clipped)
    if not finite.all():
        clipped[~finite.all(axis=-1)] = 0
    return np.clip(clipped, 0, 1, out=clipped)


def shorten(keypoints: NDArray[Any], frames: int = MOST_FRAMES) -> NDArray[Any]:
    """Return at most `frames` frames of (T, K, 2), evenly chosen, including the first and the
    last."""
    if len(keypoints) <= frames:
        return keypoints
    kept: NDArray[Any] = keypoints[kept_frames(len(keypoints), frames)]
    return kept


def kept_frames(length: int, frames: int) -> NDArray[np.int64]:
    """Return which frames `shorten` keeps of a clip of `length` frames."""
    if length <= frames:
        return np.arange(length)
    return np.linspace(0, length - 1, frames).astype(np.int64)


def normalize(
    keypoints: Floats, *, count_missing: bool = True, skeleton: Skeleton = MEDIAPIPE_75
) -> Floats:
    """Map the box around each group's points to [0, 1], frame by frame: (..., K, 2) to the same.

    The box is widened to a square with 5 % of its longer side around it, and cut at the edges of
    the picture. Missing points count in the box, as its corner (the published models), or do not
    (`count_missing=False`, the mobile variant); they stay (0, 0) either way. Expects values in
    [0, 1]. Groups go by number, as `skeleton` has them; MediaPipe's 75 points may be followed by
    its face points. Raises ValueError for fewer points than the skeleton has.
    """
    joints = keypoints.shape[-2]
    if joints < skeleton.points:
        raise ValueError(f"{joints} keypoints: the whole {skeleton.name} has {skeleton.points}")
    groups = skeleton.spans(joints)
    # Frames stand last while it computes: NumPy's loops then run over them, not over few points.
    points = np.array(keypoints.reshape(-1, joints, 2).T, np.float32, order="C")
    start, side = _boxes(points, groups, count_missing)
    for number, group in enumerate(groups):
        of_group = points[:, group.start : group.stop]
        of_group -= start[:, number, None]
        of_group /= side[:, number, None]
    if not count_missing:  # nothing else is below 0: a point left out of its box may have become so
        np.maximum(points, 0, out=points)
    normalized = np.empty((points.shape[-1], joints, 2), np.float32)
    for axis, values in enumerate(points):  # one after the other: NumPy copies that much faster
        normalized[..., axis] = values.T
    return normalized.reshape(keypoints.shape)


normalise = normalize  # its name in version 0.1


def pad(clips: Sequence[Floats], frames: int | None = None) -> tuple[Floats, Floats]:
    """Return a batch of clips, each (T, K, 2): keypoints (N, frames, K, 2) padded with zeros, and
    the attention mask (N, frames), 1 for a real frame.

    By default, `frames` is the length of the longest clip. Raises ValueError for a longer clip.
    """
    lengths = np.array([len(one) for one in clips])
    frames = int(lengths.max()) if frames is None else frames
    mask = np.arange(frames) < lengths[:, None]
    keypoints = np.zeros((*mask.shape, *clips[0].shape[1:]), np.float32)
    keypoints[mask] = np.concatenate(clips)
    return keypoints, mask.astype(np.float32)


def _boxes(points: Floats, groups: Sequence[range], count_missing: bool) -> tuple[Floats, Floats]:
    """Return where the square around each group's points (2, K, N) starts, and its sides: (2,
    groups, N).

    For a side of 0, which leaves its coordinate as it is, the start is 0 and the side 1.
    """
    lowest = points if count_missing else np.where(points.any(axis=0), points, np.float32(1))
    low, high = np.empty((2, 2, len(groups), points.shape[-1]), np.float32)
    for number, group in enumerate(groups):
        np.minimum.reduce(lowest[:, group.start : group.stop], axis=1, out=low[:, number])
        np.maximum.reduce(points[:, group.start : group.stop], axis=1, out=high[:, number])
    sides = high - low
    longer = np.maximum(*sides)
    margin = MARGIN * longer + (longer - sides) / 2
    start, end = (low - margin).clip(0, 1), (high + margin).clip(0, 1)
    side = end - start
    flat = side <= 0  # below 0 where every point is missing and none counts
    start[flat], side[flat] = 0, 1
    return start, side
