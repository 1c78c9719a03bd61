"""SYNTHETIC signs: a path, a direction and a shape of each hand.

Nobody signs them, and they belong to no sign language. Ten are made by hand; `invention` has more.
Coordinates are those of `skeleton`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from signbart_port.data.synthetic.skeleton import Array

Point = tuple[float, float]

# How far each finger is bent, thumb to little finger: 0 straight, 1 in the palm.
SHAPES = {
    "open": (0.0, 0.0, 0.0, 0.0, 0.0),
    "fist": (0.8, 1.0, 1.0, 1.0, 1.0),
    "point": (0.8, 0.0, 1.0, 1.0, 1.0),
    "two": (0.8, 0.0, 0.0, 1.0, 1.0),
    "thumb": (0.0, 1.0, 1.0, 1.0, 1.0),
    "horns": (0.8, 0.0, 1.0, 1.0, 0.0),
    "claw": (0.4, 0.45, 0.45, 0.45, 0.45),
}


@dataclass(frozen=True)
class Hand:
    """The part of one hand in a sign, from start to end."""

    start: Point
    end: Point
    bulge: Point = (0.0, 0.0)  # of the path, in its middle
    loop: Point = (0.0, 0.0)  # radii of circling on the way; one alone is to and fro
    turns: float = 0.0  # of the circling
    shape: tuple[str, str] = ("open", "open")
    turned: Point = (0.0, 0.0)  # degrees that the fingers point outward from upright

    def path(self, time: Array) -> Array:
        """Return where the wrist is, (T, 2), at times (T, 1) from 0 to 1."""
        done = smooth(time)
        phase = 2 * np.pi * self.turns * time
        path = _between(self.start, self.end, done) + np.multiply(self.bulge, np.sin(np.pi * done))
        path += np.multiply(self.loop, np.concatenate([np.sin(phase), -np.cos(phase)], axis=1))
        return path

    def bent(self, time: Array) -> Array:
        """Return how far each finger is bent, (T, 5), at the same times."""
        return _between(SHAPES[self.shape[0]], SHAPES[self.shape[1]], smooth(time))

    def turn(self, time: Array) -> Array:
        """Return the turn of the hand, (T, 1), at the same times: degrees outward from upright."""
        return _between(*self.turned, smooth(time))


REST = (0.5, 1.6)
RESTING = Hand(REST, REST, turned=(180, 180))


@dataclass(frozen=True)
class Sign:
    """An invented sign; if `other` rests, it is a sign of one hand."""

    name: str
    dominant: Hand
    other: Hand = RESTING

    @property
    def label(self) -> str:
        """Its name among the labels of datasets and models, where it may meet real signs."""
        return f"synthetic-{self.name}"


def both(name: str, hand: Hand) -> Sign:
    """Return a sign in which the other hand does the same as the dominant one."""
    return Sign(name, hand, hand)


FLAT = Hand((0.25, 0.75), (0.25, 0.75), turned=(-80, -80))
SIGNS = (
    Sign("wave", Hand((0.8, -0.3), (0.8, -0.3), loop=(0.2, 0), turns=3, turned=(10, 10))),
    Sign("circle", Hand((0.5, 0.2), (0.5, 0.2), loop=(0.3, 0.3), turns=2, shape=("point",) * 2)),
    Sign("grasp", Hand((0.6, -0.1), (0.35, 0.5), shape=("open", "fist"))),
    Sign("release", Hand((0.35, 0.5), (0.6, -0.1), shape=("fist", "open"))),
    Sign("arch", Hand((-0.4, 0.4), (0.8, 0.4), bulge=(0, -0.6), turned=(-40, 40))),
    Sign("knock", Hand((0.4, 0.1), (0.4, 0.1), loop=(0, 0.15), turns=3, shape=("fist",) * 2)),
    both("part", Hand((0.1, 0.2), (0.95, 0.2), shape=("fist",) * 2)),
    both("lift", Hand((0.45, 0.8), (0.45, -0.15), turned=(-30, 0))),
    both("rain", Hand((0.5, -0.35), (0.5, 0.6), loop=(0.15, 0), turns=3, turned=(0, -60))),
    Sign("write", Hand((-0.1, 0.5), (0.6, 0.5), (0, 0), (0, 0.1), 3, ("point",) * 2), FLAT),
)


def smooth(x: Array) -> Array:
    """Return 0 to 1 as x goes from 0 to 1, slow at both ends."""
    x = x.clip(0, 1)
    return x * x * (3 - 2 * x)


def _between(start: ArrayLike, end: ArrayLike, done: Array) -> Array:
    return np.add(start, np.subtract(end, start) * done, dtype=float)
