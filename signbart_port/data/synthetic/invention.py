"""Any number of SYNTHETIC signs: the ten made by hand, then invented ones.

Each invented sign is the one of several candidates, drawn from its number, that is the least like
the signs before it (Mitchell's best candidate): so they keep their distance, and the first n signs
are the same however many are wanted.
"""

from __future__ import annotations

import numpy as np

from signbart_port.data.synthetic.signs import FLAT, RESTING, SHAPES, SIGNS, Hand, Point, Sign, both
from signbart_port.data.synthetic.skeleton import Array

_CANDIDATES = 16
_TIMES = np.linspace(0, 1, 12)[:, None]
_NEAREST, _FARTHEST = (-0.2, -0.4), (0.95, 0.8)  # where a hand is, in shoulder widths
_BULGE, _LOOP = 0.5, (0.1, 0.3)  # of its path, and radii
_UPRIGHT = 90  # degrees that a hand is turned at most, either way
_LOOK = 0.3  # what a bent finger counts, or a hand turned by 57 degrees, in shoulder widths


def signs(count: int) -> tuple[Sign, ...]:
    """Return the first `count` signs; number n, from 1, is called `sign-n` unless it has a name."""
    known = list(SIGNS[:count])
    courses = np.empty((count, len(_course(SIGNS[0]))))
    courses[: len(known)] = [_course(sign) for sign in known]
    for number in range(len(known) + 1, count + 1):
        before = courses[: number - 1]
        candidates = _candidates(number)
        theirs = np.array([_course(sign) for sign in candidates])
        squares = [np.square(some).sum(axis=1) for some in (theirs, before)]
        distances = np.add.outer(*squares) - 2 * theirs @ before.T  # squared distances
        best = int(distances.min(axis=1).argmax())
        known.append(candidates[best])
        courses[number - 1] = theirs[best]
    return tuple(known)


def _candidates(number: int) -> list[Sign]:
    """Return random signs: of one hand, of both alike, or of one over the other, held flat."""
    rng = np.random.default_rng(number)
    name, kind = f"sign-{number}", rng.integers(3)
    hands = [_hand(rng) for _ in range(_CANDIDATES)]
    if kind == 2:
        return [both(name, hand) for hand in hands]
    return [Sign(name, hand, (RESTING, FLAT)[kind]) for hand in hands]


def _hand(rng: np.random.Generator) -> Hand:
    """Return a random hand that goes somewhere, circles on the way or does both; its shape and
    direction stay or change."""
    start, end = rng.uniform(_NEAREST, _FARTHEST, (2, 2))
    bulge, loop = rng.uniform(-_BULGE, _BULGE, 2), rng.uniform(*_LOOP, 2)
    shapes = rng.choice(list(SHAPES), 2, replace=False)
    turned = rng.uniform(-_UPRIGHT, _UPRIGHT, 2)
    turns = int(rng.integers(1, 4))
    circles, stays, to_and_fro, opens, twists = rng.random(5) < (0.6, 0.4, 0.4, 0.5, 0.5)
    if to_and_fro:
        loop[rng.integers(2)] = 0
    if not circles:
        loop, turns = loop * 0, 0
    elif stays:
        end, bulge = start, bulge * 0
    return Hand(
        _pair(start),
        _pair(end),
        bulge=_pair(bulge),
        loop=_pair(loop),
        turns=turns,
        shape=(str(shapes[0]), str(shapes[int(opens)])),
        turned=_pair(turned if twists else turned[[0, 0]]),
    )


def _course(sign: Sign) -> Array:
    """Return the course of both hands in a sign as one vector: distances between vectors measure
    how unlike two signs are."""
    hands = []
    for hand in (sign.dominant, sign.other):
        angle = np.radians(hand.turn(_TIMES))
        look = [hand.bent(_TIMES), np.cos(angle), np.sin(angle)]
        hands += [hand.path(_TIMES), *(_LOOK * one for one in look)]
    return np.concatenate([one.ravel() for one in hands])


def _pair(values: Array) -> Point:
    return float(values[0]), float(values[1])
