"""SignBART's augmentation of a training clip, as published: rotate, add noise, keep some of the
frames, stretch in time, mirror.

Clips (T, K, 2) are float32, clipped to [0, 1] and shortened, and not yet normalized. A missing
point, (0, 0), stays missing: it is not a position in the picture that could be turned, moved or
mirrored. Values may leave [0, 1], and are not clipped again. Arrays are never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from signbart_port.data.preprocessing import Floats, shorten

AUGMENTED = 0.4  # the share of the samples that get any augmentation
DRAWN = 0.5  # the probability of each augmentation, in these
DEGREES = (-15.0, 15.0)
SIGMA = (0.01, 0.2)
STRETCH = (1.1, 1.5)


def augment(clip: Floats, rng: np.random.Generator, *, most: int) -> Floats:
    """Augment a clip (T, K, 2), T at most `most`, for one epoch: (T', K, 2), T' from 1 to `most`.

    If nothing is drawn, it is the very same array. If several augmentations are drawn, they are
    applied in the order of this module's first line. The same state of `rng` gives the same clip.
    """
    if rng.random() >= AUGMENTED:
        return clip
    drawn = rng.random(len(_AUGMENTATIONS)) < DRAWN
    if not drawn.any():
        drawn[rng.integers(len(drawn))] = True
    for change, is_drawn in zip(_AUGMENTATIONS, drawn, strict=True):
        if is_drawn:
            clip = change(clip, rng)
    return shorten(clip, most)


def rotate(clip: Floats, degrees: float) -> Floats:
    """Rotate a clip about (0, 0), the picture's upper left corner, from x toward y: clockwise."""
    angle = np.radians(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    turned: Floats = clip.reshape(-1, 2) @ np.array([(cos, sin), (-sin, cos)], np.float32)
    return turned.reshape(clip.shape)


def add_noise(clip: Floats, sigma: float, rng: np.random.Generator) -> Floats:
    """Move every coordinate on its own, by a normal distribution of this standard deviation."""
    noise = rng.standard_normal(clip.shape, np.float32)
    noise *= np.float32(sigma)
    noise *= _there(clip)[..., None]
    noise += clip
    return noise


def keep_frames(clip: Floats, rng: np.random.Generator) -> Floats:
    """Keep n of the T frames, n an integer from [T/2, T), in their order: evenly chosen, or at
    random with replacement. A clip of one frame keeps it."""
    frames = len(clip)
    if frames == 1:
        return clip
    kept = int(rng.integers(-(-frames // 2), frames))
    if rng.random() < 0.5:
        return shorten(clip, kept)
    chosen: Floats = clip[np.sort(rng.integers(0, frames, kept))]
    return chosen


def stretch(clip: Floats, factor: float) -> Floats:
    """Slow a clip down to `factor` times as many frames, from the first to the last one.

    A point is interpolated between two frames if it is present in both; otherwise it is as in the
    nearer frame.
    """
    last = len(clip) - 1
    time = np.linspace(0, last, round(len(clip) * factor))
    before = time.astype(int)
    after = np.minimum(before + 1, last)
    way = (time - before).astype(np.float32)[:, None]
    there = _there(clip)
    way = np.where(there[before] & there[after], way, np.round(way))
    start = clip[before]
    stretched: Floats = clip[after]
    stretched -= start
    stretched *= way[..., None]
    stretched += start
    return stretched


def mirror(clip: Floats) -> Floats:
    """Change x to 1 - x. The hands keep their numbers: the left one is then seen on the other side.

    A point in the corner (1, 0) moves to (0, 0), where nothing tells it from a missing one.
    """
    mirrored = clip.copy()
    np.subtract(1, clip[..., 0], out=mirrored[..., 0], where=_there(clip))
    return mirrored


_AUGMENTATIONS: tuple[Callable[[Floats, np.random.Generator], Floats], ...] = (
    lambda clip, rng: rotate(clip, rng.uniform(*DEGREES)),
    lambda clip, rng: add_noise(clip, rng.uniform(*SIGMA), rng),
    keep_frames,
    lambda clip, rng: stretch(clip, rng.uniform(*STRETCH)),
    lambda clip, rng: mirror(clip),
)


def _there(clip: Floats) -> NDArray[np.bool_]:
    """Return (T, K): which points are not missing."""
    there: NDArray[np.bool_] = (clip[..., 0] != 0) | (clip[..., 1] != 0)
    return there
