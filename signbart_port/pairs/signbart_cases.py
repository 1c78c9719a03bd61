"""The inputs of the proof: seeded keypoints that look like a person's, and every kind of mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.data.model_inputs import Inputs

if TYPE_CHECKING:
    from signbart_port.config import SignBartConfig
    from signbart_port.config.skeletons import Skeleton
    from signbart_port.data.model_interface import Interface

FRAMES = 32
"""Frames of a clip of the proof, where the model does not ask for another number.

Enough for every kind of mask and a few hundred positions through every weight; twice as many double
the time of the proof and find nothing more, as every weight is also compared bit for bit.
"""


def make(joints: int, frames: int, seed: int = 0) -> Inputs:
    """Make seeded inputs of `joints` keypoints: one clip of `frames` frames for each kind of
    mask."""
    masks = _masks(frames)
    rng = np.random.default_rng(seed)
    keypoints = np.stack([_clip(rng, frames, joints) for _ in masks])
    return Inputs(tuple(masks), keypoints, np.stack(list(masks.values())).astype(np.float32))


def make_read(interface: Interface, frames: int) -> Inputs:
    """Make the inputs that a file of this interface reads: of one that takes whole clips, clips
    without a mask."""
    if interface.sampled_to is None:
        return make(interface.keypoints, frames)
    return _whole(interface.takes or interface.skeleton, frames)


def make_for(config: SignBartConfig, frames: int | None = None, seed: int = 0) -> Inputs:
    """Make inputs for a model of this config, of 32 frames where the model can."""
    longest = min(FRAMES, config.max_position_embeddings)
    return make(config.keypoints, longest if frames is None else frames, seed)


def _masks(frames: int) -> dict[str, NDArray[np.bool_]]:
    t = np.arange(frames)
    return {
        "full": t >= 0,
        "ragged": t < max(1, frames * 5 // 8),
        "one frame": t == 0,
        "holes": (t < frames * 7 // 8) & ((t < frames // 4) | (t > frames // 2)) | (t == 0),
        "missing first frames": t >= frames // 3,
        "alternating": t % 2 == 0,
        "all zeros": t < 0,
    }


def _whole(skeleton: Skeleton, frames: int, seed: int = 0) -> Inputs:
    """Make seeded clips that are real throughout, NaN where a point is missing: one for each way in
    which a detector loses somebody."""
    rng = np.random.default_rng(seed)
    left, right = skeleton.hands.values()
    late = np.arange(frames) >= frames // 2
    lost: dict[str, Any] = {
        "seen": ([], []),
        "points lost": np.nonzero(rng.random((frames, skeleton.points)) < 1 / 4),
        "no left hand": np.s_[:, left],
        "no hands": np.s_[:, left + right],
        "right hand lost": (np.flatnonzero(late)[:, None], right),
        "nobody at the end": late,
        "nobody": np.s_[:],
    }
    clips = np.stack([_clip(rng, frames, skeleton.points) for _ in lost])
    clips[(clips == 0).all(axis=-1)] = np.nan
    for clip, points in zip(clips, lost.values(), strict=True):
        clip[points] = np.nan
    return Inputs(tuple(lost), clips, np.ones(clips.shape[:2], np.float32))


def _clip(rng: np.random.Generator, frames: int, joints: int) -> NDArray[np.float32]:
    """Make a clip (T, K, 2) in [0, 1]: every joint sways about its place, some are missing for a
    while.

    Missing is (0, 0), as the detector has it. Frames beyond the mask move on like the others, so
    that a model that reads padding is seen to.
    """
    t = np.linspace(0, 2 * np.pi, frames)[:, None, None]
    center = rng.uniform(0.2, 0.8, (1, joints, 2))
    sway = rng.uniform(0.02, 0.2, (1, joints, 2))
    pace, phase = rng.uniform(0.5, 3, (1, joints, 2)), rng.uniform(0, 2 * np.pi, (1, joints, 2))
    clip = center + sway * np.sin(pace * t + phase) + rng.normal(0, 0.005, (frames, joints, 2))
    lost, found = np.sort(rng.integers(0, frames + 1, (2, joints)), axis=0)
    time = np.arange(frames)[:, None]
    missing = (lost <= time) & (time < found) & (rng.random(joints) < 0.3)
    return np.where(missing[..., None], 0.0, clip.clip(0, 1)).astype(np.float32)
