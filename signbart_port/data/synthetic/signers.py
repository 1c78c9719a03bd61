"""Invented signers, and how they perform a sign: proportions, a dominant hand, a pace, habits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signbart_port.config.skeletons import HANDS, MEDIAPIPE_75
from signbart_port.data.preprocessing import Floats
from signbart_port.data.synthetic import skeleton
from signbart_port.data.synthetic.signs import REST, Hand, Sign, smooth
from signbart_port.data.synthetic.skeleton import Array


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


def invent_signer(r: np.random.Generator) -> Signer:
    """Return a random signer; most are right-handed."""
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


def perform(sign: Sign, person: Signer, rng: np.random.Generator) -> Floats:
    """Return one clip (T, 75, 2) in [0, 1], T about 20 to 60. A hand that is out of the picture, or
    that the detector loses, is (0, 0)."""
    frames = round(37 / person.pace * rng.uniform(0.85, 1.15))
    left, right = (
        _move(sign.dominant if side == person.dominant else sign.other, person, frames, rng)
        for side in (0, 1)
    )
    body = skeleton.body(left, right, person.arm)
    picture = person.middle + person.shoulders * body + rng.normal(0, person.jitter, body.shape)
    for hand in (slice(*MEDIAPIPE_75.groups[side]) for side in HANDS):
        inside = ((picture[:, hand] > 0) & (picture[:, hand] < 1)).all(axis=-1)
        picture[(inside.mean(axis=1) < 0.6) | _lost(frames, rng), hand] = 0
    return picture.clip(0, 1).astype(np.float32)


def _move(does: Hand, person: Signer, frames: int, rng: np.random.Generator) -> Array:
    """Return a hand (T, 21, 2) that goes from rest to its part in the sign, and back to rest."""
    time = np.linspace(0, 1, frames)[:, None]
    begin, end = rng.uniform(0.12, 0.2), rng.uniform(0.8, 0.88)
    lift = smooth(time / begin) * smooth((1 - time) / (1 - end))
    time = ((time - begin) / (end - begin)).clip(0, 1)
    path = does.path(time) * person.reach + person.shift + rng.normal(0, 0.03, 2)
    wrist = REST + lift * (path - REST)
    turned = lift * does.turn(time) + (1 - lift) * 180 + rng.normal(0, 6)
    return skeleton.hand(wrist, person.hand, does.bent(time), turned)


def _lost(frames: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return (T,): a stretch in which the detector loses the hand, in some clips."""
    since = np.arange(frames) - rng.integers(0, frames)
    return (since >= 0) & (since < rng.integers(2, 7) * (rng.random() < 0.4))
