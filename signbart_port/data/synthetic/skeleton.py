"""The joints of a drawn person in MediaPipe's numbering: pose 0-32, left hand 33-53, right hand
54-74.

Body coordinates have their origin between the shoulders and the shoulders' distance as unit: how
far to the side of the arm in question, and how far down.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_RIGHT = [*range(12, 33, 2), *range(54, 75)]
_SHOULDER = np.array((0.5, 0))
_LEGS = np.array([(0.3, 1.4), (0.3, 2.4), (0.3, 3.3), (0.28, 3.4), (0.32, 3.5)])
_EYES = [(x, -0.72) for x in (0.07, 0.11, 0.15, -0.07, -0.11, -0.15)]
_EARS_AND_MOUTH = [(0.25, -0.64), (-0.25, -0.64), (0.08, -0.48), (-0.08, -0.48)]
_FACE = np.array([(0, -0.62), *_EYES, *_EARS_AND_MOUTH])
# The upright hand, its palm to the camera, in hand lengths, thumb first: each finger's first joint,
# the direction in which it points, and its three bones.
_KNUCKLES = np.array([(-0.12, -0.15), (-0.14, -0.5), (-0.03, -0.52), (0.08, -0.49), (0.18, -0.43)])
_FAN = np.radians([-45, -10, -2, 5, 14])[:, None]
_FINGERS = np.concatenate([np.sin(_FAN), -np.cos(_FAN)], axis=1)
_BONES = np.array(
    [(0.2, 0.16, 0.13), (0.22, 0.13, 0.1), (0.24, 0.14, 0.1), (0.22, 0.13, 0.1), (0.17, 0.1, 0.09)]
)
_FOLDS = np.radians([70, 150, 220])  # of each bone of a bent finger, out of the picture's plane


def body(left: Array, right: Array, arm: float) -> Array:
    """Turn two hands (T, 21, 2) and the length of an upper arm into a skeleton (T, 75, 2), in which
    x grows to the person's left."""
    points = np.zeros((len(left), 75, 2))
    points[:, :11] = _FACE
    for side, hand in enumerate((left, right)):
        points[:, 11 + side] = _SHOULDER
        points[:, 13 + side] = _elbow(hand[:, 0], arm)
        points[:, 15 + side : 23 : 2] = hand[:, (0, 17, 5, 4)]  # wrist, little finger, index, thumb
        points[:, 23 + side : 33 : 2] = _LEGS
        points[:, 33 + 21 * side : 54 + 21 * side] = hand
    points[:, _RIGHT, 0] *= -1
    return points


def hand(wrist: Array, size: float, bent: Array, turned: Array) -> Array:
    """Return a hand (T, 21, 2) of a `size`: `wrist` (T, 2), how far each finger is `bent` (T, 5), 0
    straight and 1 in the palm, and how far the hand is `turned` outward from upright (T, 1), in
    degrees."""
    bones = _BONES * np.cos(bent[..., None] * _FOLDS)
    along = np.insert(bones.cumsum(axis=-1), 0, 0, axis=-1)[..., None]
    fingers = _KNUCKLES[:, None] + along * _FINGERS[:, None]
    upright = np.insert(fingers.reshape(len(bent), 20, 2), 0, 0, axis=1)
    x, y, angle = upright[..., 0], upright[..., 1], np.radians(turned)
    cos, sin = np.cos(angle), np.sin(angle)
    return wrist[:, None] + size * np.stack([x * cos - y * sin, x * sin + y * cos], axis=-1)


def _elbow(wrist: Array, arm: float) -> Array:
    """Return (T, 2), for a wrist (T, 2): the upper arm hangs, and follows the wrist."""
    way = 0.8 * (wrist - _SHOULDER) + (0.3, 0.9)
    elbow: Array = _SHOULDER + arm * way / np.linalg.norm(way, axis=-1, keepdims=True)
    return elbow
