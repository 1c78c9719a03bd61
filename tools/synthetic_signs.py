"""SYNTHETIC signs: invented movements of a parametric skeleton, for the sample checkpoint.

Nobody signed them, and they belong to no sign language. A sign is a path, a direction and a shape
of each hand; a signer is proportions, a dominant hand, a pace and habits. Numbering and coordinates
are those of `skeleton`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

import skeleton
from signbart_port.data.preprocessing import GROUPS

Array = NDArray[np.float64]
Pair = tuple[float, float]

# How far each finger is bent, thumb to little finger: 0 straight, 1 in the palm.
SHAPES = {
    "open": (0.0, 0.0, 0.0, 0.0, 0.0),
    "fist": (0.8, 1.0, 1.0, 1.0, 1.0),
    "point": (0.8, 0.0, 1.0, 1.0, 1.0),
}


@dataclass(frozen=True)
class Hand:
    """What one hand does in a sign, from its start to its end."""

    start: Pair
    end: Pair
    bulge: Pair = (0.0, 0.0)  # of the path, in its middle
    loop: Pair = (0.0, 0.0)  # radii of circling on the way; one alone is to and fro
    turns: float = 0.0  # of the circling
    shape: tuple[str, str] = ("open", "open")
    turned: Pair = (0.0, 0.0)  # degrees that the fingers point outward from upright


REST = (0.5, 1.6)
RESTING = Hand(REST, REST, turned=(180, 180))


@dataclass(frozen=True)
class Sign:
    """An invented sign."""

    name: str
    dominant: Hand
    other: Hand = RESTING


def _both(name: str, hand: Hand) -> Sign:
    return Sign(name, hand, hand)


_FLAT = Hand((0.25, 0.75), (0.25, 0.75), turned=(-80, -80))
SIGNS = (
    Sign("wave", Hand((0.8, -0.3), (0.8, -0.3), loop=(0.2, 0), turns=3, turned=(10, 10))),
    Sign("circle", Hand((0.5, 0.2), (0.5, 0.2), loop=(0.3, 0.3), turns=2, shape=("point",) * 2)),
    Sign("grasp", Hand((0.6, -0.1), (0.35, 0.5), shape=("open", "fist"))),
    Sign("release", Hand((0.35, 0.5), (0.6, -0.1), shape=("fist", "open"))),
    Sign("arch", Hand((-0.4, 0.4), (0.8, 0.4), bulge=(0, -0.6), turned=(-40, 40))),
    Sign("knock", Hand((0.4, 0.1), (0.4, 0.1), loop=(0, 0.15), turns=3, shape=("fist",) * 2)),
    _both("part", Hand((0.1, 0.2), (0.95, 0.2), shape=("fist",) * 2)),
    _both("lift", Hand((0.45, 0.8), (0.45, -0.15), turned=(-30, 0))),
    _both("rain", Hand((0.5, -0.35), (0.5, 0.6), loop=(0.15, 0), turns=3, turned=(0, -60))),
    Sign("write", Hand((-0.1, 0.5), (0.6, 0.5), (0, 0), (0, 0.1), 3, ("point",) * 2), _FLAT),
)


@dataclass(frozen=True)
class Signer:
    """An invented person; `arm` and `hand` are in shoulder widths."""

    dominant: int  # 0 the left hand, 1 the right
    middle: Array  # (2,) of the shoulders, in the picture
    shoulders: float  # their distance in the picture
    arm: float  # length of the upper arm
    hand: float  # from the wrist to the middle finger's tip
    pace: float  # 1 makes clips of about 37 frames
    reach: float  # how large the movements are
    shift: Array  # (2,) where they are
    jitter: float  # of every point and frame, in the picture


def signer(number: int) -> Signer:
    """The signer of this number, always the same."""
    r = np.random.default_rng([number, 0])
    return Signer(
        dominant=int(r.random() < 0.85),
        middle=r.uniform((0.45, 0.42), (0.55, 0.52)),
        shoulders=r.uniform(0.3, 0.38),
        arm=r.uniform(0.7, 0.85),
        hand=r.uniform(0.4, 0.5),
        pace=r.uniform(0.75, 1.35),
        reach=r.uniform(0.85, 1.15),
        shift=r.uniform(-0.08, 0.08, 2),
        jitter=r.uniform(0.001, 0.003),
    )


def perform(sign: Sign, person: Signer, rng: np.random.Generator) -> NDArray[np.float32]:
    """One clip (T, 75, 2) in [0, 1], T about 20 to 60; a hand that is out of the picture, or that
    the detector loses, is (0, 0)."""
    frames = round(37 / person.pace * rng.uniform(0.85, 1.15))
    left, right = (
        _move(sign.dominant if side == person.dominant else sign.other, person, frames, rng)
        for side in (0, 1)
    )
    body = skeleton.body(left, right, person.arm)
    picture = person.middle + person.shoulders * body + rng.normal(0, person.jitter, body.shape)
    for hand in (GROUPS["left hand"], GROUPS["right hand"]):
        inside = ((picture[:, hand] > 0) & (picture[:, hand] < 1)).all(axis=-1)
        picture[(inside.mean(axis=1) < 0.6) | _lost(frames, rng), hand] = 0
    return picture.clip(0, 1).astype(np.float32)


def clips(
    signers: Iterable[int], repetitions: int
) -> tuple[list[NDArray[np.float32]], NDArray[np.int64]]:
    """Every sign by every signer, each `repetitions` times: clips, and indices into SIGNS."""
    made: list[NDArray[np.float32]] = []
    for number in signers:
        rng = np.random.default_rng([number, 1])
        for _ in range(repetitions):
            made += [perform(sign, signer(number), rng) for sign in SIGNS]
    return made, np.arange(len(made)) % len(SIGNS)


def _move(does: Hand, person: Signer, frames: int, rng: np.random.Generator) -> Array:
    """A hand (T, 21, 2) that goes from rest to its part in the sign, and back to rest."""
    time = np.linspace(0, 1, frames)[:, None]
    begin, end = rng.uniform(0.12, 0.2), rng.uniform(0.8, 0.88)
    lift = _smooth(time / begin) * _smooth((1 - time) / (1 - end))
    time = ((time - begin) / (end - begin)).clip(0, 1)
    done = _smooth(time)
    phase = 2 * np.pi * does.turns * time
    path = _between(does.start, does.end, done) + np.multiply(does.bulge, np.sin(np.pi * done))
    path += np.multiply(does.loop, np.concatenate([np.sin(phase), -np.cos(phase)], axis=1))
    path = path * person.reach + person.shift + rng.normal(0, 0.03, 2)
    wrist = REST + lift * (path - REST)
    bent = _between(SHAPES[does.shape[0]], SHAPES[does.shape[1]], done)
    turned = lift * _between(*does.turned, done) + (1 - lift) * 180 + rng.normal(0, 6)
    return skeleton.hand(wrist, person.hand, bent, turned)


def _lost(frames: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(T,): a stretch in which the detector loses the hand, in some clips."""
    since = np.arange(frames) - rng.integers(0, frames)
    return (since >= 0) & (since < rng.integers(2, 7) * (rng.random() < 0.4))


def _between(start: ArrayLike, end: ArrayLike, done: Array) -> Array:
    return np.add(start, np.subtract(end, start) * done, dtype=float)


def _smooth(x: Array) -> Array:
    """0 to 1 as x goes from 0 to 1, slow at both ends."""
    x = x.clip(0, 1)
    return x * x * (3 - 2 * x)
