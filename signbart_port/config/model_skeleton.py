"""The skeleton that a config names or describes itself, and what it may leave unsaid."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from signbart_port.config.joints import short
from signbart_port.config.skeletons import (
    FOR_MODELS,
    KNOWN,
    MEDIAPIPE_75,
    MEDIAPIPE_100,
    Skeleton,
    named,
)
from signbart_port.errors import printable

_MOST = 10_000  # points of a skeleton

_READ_WHOLE = {  # the joints of published configs, by the skeleton that they count in
    "upper-63": (range(63),),
    "upper-65": (range(65), range(23, 65)),
    "upper-90": (range(90),),
}


def of_model(stated: str | Mapping[str, Any] | None, joint_idx: Sequence[int]) -> Skeleton:
    """Return the skeleton in which a model counts its joints: by its name, by its own points and
    groups, or where nothing is stated by the largest joint.

    Raises ValueError for one that cannot be.
    """
    if stated is None:
        return _of_mediapipe(1 + max(joint_idx, default=0))
    skeleton = named(stated) if isinstance(stated, str) else _own(stated)
    if not skeleton.groups:
        raise ValueError(
            f"{skeleton.name} has no groups to normalize: a model reads it through a selection."
            " Name the skeleton that joint_idx counts in, such as mediapipe-75, and give"
            f" --skeleton {skeleton.name} with the clips"
        )
    if max(joint_idx, default=0) >= skeleton.points:
        raise ValueError(
            f"joint {max(joint_idx)} is beyond the {skeleton.points} points of {skeleton.name}"
        )
    return skeleton


def is_default(skeleton: Skeleton, joint_idx: Sequence[int]) -> bool:
    """Return whether a config of these joints means this skeleton without naming it."""
    try:
        check_unnamed(joint_idx)
    except ValueError:
        return False
    return of_model(None, joint_idx) == skeleton


def plain(skeleton: Skeleton) -> str | dict[str, Any]:
    """Invert `of_model`: return what a config says of a skeleton."""
    if skeleton == KNOWN.get(skeleton.name):
        return skeleton.name
    groups = {name: f"{start}-{stop - 1}" for name, (start, stop) in skeleton.groups.items()}
    return {"name": skeleton.name, "points": skeleton.points, "groups": groups}


def _of_mediapipe(points: int) -> Skeleton:
    """Return the smallest skeleton of so many points with MediaPipe's groups. Version 0.1 knew no
    other, and limited no joint."""
    for known in (MEDIAPIPE_75, MEDIAPIPE_100):
        if points <= known.points:
            return known
    groups = {name: f"{start}-{stop - 1}" for name, (start, stop) in MEDIAPIPE_100.groups.items()}
    return _own({"points": points, "groups": groups})


def check_unnamed(joint_idx: Sequence[int]) -> None:
    """Raise ValueError where joints without a skeleton's name are hardly MediaPipe's."""
    joints, numbers = set(joint_idx), short(joint_idx)
    if (largest := max(joints, default=0)) >= MEDIAPIPE_100.points:
        raise ValueError(
            f"joint {largest} is beyond the {MEDIAPIPE_100.points} keypoints of mediapipe-100."
            f" Say what it counts in: skeleton: {', '.join(FOR_MODELS)}, or points and groups"
        )
    cut = _cut_hand(MEDIAPIPE_75, joints)
    for name, selections in _READ_WHOLE.items():
        if any(joints == set(one) for one in selections):
            what = f" and takes {cut} in mediapipe-75" if cut else ""
            raise ValueError(
                f"joint_idx {numbers} is that of the skeleton {name}, of {KNOWN[name].points}"
                f" keypoints{what}. Say skeleton: {name}; or, if it counts in MediaPipe's 75 or"
                f" 100 keypoints, skeleton: mediapipe-75 or mediapipe-100 ({_in_words(numbers)})"
            )
    if cut:
        fitting = [name for name in FOR_MODELS if _reads_hands_whole(KNOWN[name], joints)]
        fits = f", but whole hands in {' and '.join(fitting)}" if fitting else ""
        raise ValueError(
            f"joint_idx {numbers} takes {cut} in mediapipe-75{fits}. Say which skeleton it counts"
            f" in: skeleton: {', '.join([*fitting, 'mediapipe-75'])} ({_in_words(numbers)})"
        )


def _in_words(numbers: str) -> str:
    return f"as an option, --joints mediapipe-75:{numbers}"


def _reads_hands_whole(skeleton: Skeleton, joints: set[int]) -> bool:
    whole = any(joints.issuperset(points) for points in skeleton.hands.values())
    return whole and max(joints) < skeleton.points and not _cut_hand(skeleton, joints)


def _cut_hand(skeleton: Skeleton, joints: set[int]) -> str | None:
    """Describe the first hand of which some points are read, and others not."""
    for hand, points in skeleton.hands.items():
        if 0 < (read := len(joints.intersection(points))) < len(points):
            return f"{read} of the {hand}'s {len(points)} points"
    return None


def _own(stated: Mapping[str, Any]) -> Skeleton:
    """Return the skeleton that a config describes itself: `points`, and `groups` by name."""
    if not isinstance(stated, Mapping) or set(stated) - {"name", "points", "groups"}:
        raise ValueError("skeleton is a name, or has points, groups and, if you like, a name")
    points, groups, name = (stated.get(key) for key in ("points", "groups", "name"))
    if type(points) is not int or not 1 <= points <= _MOST:
        raise ValueError(f"skeleton: points is the number of points of a frame, 1 to {_MOST:,}")
    if not isinstance(groups, Mapping) or not groups:
        raise ValueError("skeleton: groups has a range by name, such as left hand: 33-53")
    name = f"own-{points}" if name is None else name
    if not isinstance(name, str) or not re.fullmatch(r"[\w.-]{1,40}", name) or name in KNOWN:
        raise ValueError("skeleton: name is a word of its own, no known skeleton's")
    spans = {_group_name(key): _span(key, value, points) for key, value in groups.items()}
    ordered = sorted(spans.values())
    if len(spans) < len(groups) or any(a[1] > b[0] for a, b in pairwise(ordered)):
        raise ValueError("skeleton: groups overlap")
    sources = [f"point {n} of {name}" for n in range(points)]
    for group, (start, stop) in spans.items():
        sources[start:stop] = [f"{group} {n - start} of {name}" for n in range(start, stop)]
    return Skeleton(name, tuple(sources), spans)


def _group_name(key: object) -> str:
    return printable(key, 40).replace("_", " ")


def _span(key: object, value: Any, points: int) -> tuple[int, int]:
    """Return the first point of a group, and one past its last, from `33-53` or the list."""
    bounds = (
        re.fullmatch(r"\s*(\d{1,5})\s*-\s*(\d{1,5})\s*", value) if isinstance(value, str) else None
    )
    if bounds:
        start, stop = int(bounds[1]), int(bounds[2]) + 1
    elif (
        isinstance(value, list | tuple)
        and value
        and value
        == type(value)(range(value[0], value[0] + len(value)) if type(value[0]) is int else ())
    ):
        start, stop = value[0], value[0] + len(value)
    else:
        raise ValueError(f"skeleton: group {_group_name(key)} is a range, such as 33-53")
    if not 0 <= start < stop <= points:
        raise ValueError(f"skeleton: group {_group_name(key)} is not within its {points} points")
    return start, stop
