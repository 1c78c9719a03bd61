"""Skeletons by name: what the points of a frame are, and which of them are normalized together.

A clip's array says how many points a frame has, not which. So a config names the skeleton that its
`joint_idx` counts in, and clips of another are brought to it by what each point is, or refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from signbart_port.errors import printable

HANDS = ("left hand", "right hand")


@dataclass(frozen=True)
class Skeleton:
    """The points of a frame, in their order."""

    name: str
    sources: tuple[str, ...]
    """What each point is: two skeletons share the points whose sources are equal."""
    groups: Mapping[str, tuple[int, int]]
    """The points that are normalized together: the first, and one past the last. None for a
    skeleton that is read only through a selection."""
    count_missing: bool = True
    """Whether missing points count in the box around a group, unless a config says otherwise."""

    @property
    def points(self) -> int:
        """The number of points of a frame."""
        return len(self.sources)

    @cached_property
    def hands(self) -> dict[str, list[int]]:
        """The points of each hand, by its name."""
        found = {
            hand: [n for n, source in enumerate(self.sources) if source.startswith(hand)]
            for hand in HANDS
        }
        return {hand: points for hand, points in found.items() if points}

    def spans(self, points: int) -> list[range]:
        """Return the groups of a frame of so many points; empty ones are left out."""
        cut = [range(start, min(stop, points)) for start, stop in self.groups.values()]
        return [group for group in cut if group]

    def read_by(self, joint_idx: Sequence[int]) -> list[int]:
        """Return every point that has an effect where a model reads these joints: their groups'
        points too, which make the boxes. All of them where the joints are unknown."""
        if not joint_idx:
            return list(range(self.points))
        joints = set(joint_idx)
        groups = [set(group) for group in self.spans(self.points)]
        return sorted(joints.union(*(group for group in groups if group & joints)))


def _run(part: str, numbers: Iterable[int]) -> list[str]:
    return [f"{part} {number}" for number in numbers]


_HAND_POINTS = range(21)
_HANDS_BOTH = _run("left hand", _HAND_POINTS) + _run("right hand", _HAND_POINTS)
_FACE_25 = _run(
    "face",
    (
        *(10, 338, 297, 332, 172, 152, 397, 103, 67, 109),  # around the face
        *(33, 133, 160, 159, 158, 144, 145),  # the right eye
        *(362, 263, 387, 386, 385, 373, 374),  # the left eye
        1,  # the nose
    ),
)
_POSE_33, _POSE_23 = _run("pose", range(33)), _run("pose", range(23))
_POSE_15 = _run("pose", (*range(7), *range(9, 17)))  # no ears, no fingers
_FACE_6 = _run("face", (10, 338, 297, 67, 234, 454))
# Left and right shoulder, elbow and wrist: MediaPipe's numbers, by those of other detectors.
_ARMS_OF_COCO = {5: 11, 6: 12, 7: 13, 8: 14, 9: 15, 10: 16}
_ARMS_OF_BODY_25 = {5: 11, 2: 12, 6: 13, 3: 14, 7: 15, 4: 16}


def _body(part: str, count: int, arms: Mapping[int, int]) -> list[str]:
    return [f"pose {arms[n]}" if n in arms else f"{part} {n}" for n in range(count)]


_MEDIAPIPE = {  # the face's is empty where the skeleton has no face points
    "body": (11, 17),  # shoulders, elbows and wrists; the other pose points stay as they are
    "left hand": (33, 54),
    "right hand": (54, 75),
    "face": (75, 100),
}


def _upper(name: str, body: list[str], face: list[str]) -> Skeleton:
    """Return a skeleton of the mobile variant: whole parts are normalized."""
    ends = [0]
    for part in (body, _HANDS_BOTH[:21], _HANDS_BOTH[21:], face):
        ends.append(ends[-1] + len(part))
    parts = zip(("body", *HANDS, "face"), pairwise(ends), strict=True)
    groups = {part: (start, stop) for part, (start, stop) in parts if stop > start}
    return Skeleton(name, (*body, *_HANDS_BOTH, *face), groups, count_missing=False)


def _holistic(name: str, face: int) -> tuple[Skeleton, Skeleton]:
    """Return MediaPipe Holistic's points by the order of Kaggle's tables, and as its results are
    usually concatenated."""
    mesh, left, right = _run("face", range(face)), _HANDS_BOTH[:21], _HANDS_BOTH[21:]
    return (
        Skeleton(name, (*mesh, *left, *_POSE_33, *right), {}),
        Skeleton(f"{name}-api", (*_POSE_33, *mesh, *left, *right), {}),
    )


KNOWN: dict[str, Skeleton] = {
    skeleton.name: skeleton
    for skeleton in (
        Skeleton("mediapipe-75", (*_POSE_33, *_HANDS_BOTH), _MEDIAPIPE),
        Skeleton("mediapipe-100", (*_POSE_33, *_HANDS_BOTH, *_FACE_25), _MEDIAPIPE),
        _upper("upper-90", _POSE_23, _FACE_25),
        _upper("upper-65", _POSE_23, []),
        _upper("upper-63", _POSE_15, _FACE_6),
        *_holistic("holistic-543", 468),
        *_holistic("holistic-553", 478),
        Skeleton(
            "wholebody-133",
            (
                *_body("COCO body", 23, _ARMS_OF_COCO),
                *_run("COCO face", range(68)),
                *_HANDS_BOTH,
            ),
            {},
        ),
        Skeleton(
            "openpose-137",
            (
                *_body("BODY_25", 25, _ARMS_OF_BODY_25),
                *_run("OpenPose face", range(70)),
                *_HANDS_BOTH,
            ),
            {},
        ),
    )
}
MEDIAPIPE_75, MEDIAPIPE_100 = KNOWN["mediapipe-75"], KNOWN["mediapipe-100"]
FOR_MODELS = tuple(name for name, skeleton in KNOWN.items() if skeleton.groups)
"""The skeletons that a model can count its joints in."""


def named(name: str) -> Skeleton:
    """Return a known skeleton; 75 and 100 stand for MediaPipe's.

    Raises ValueError with a message for the user.
    """
    found = KNOWN.get(name) or KNOWN.get(f"mediapipe-{name}" if name in ("75", "100") else "")
    if found is None:
        raise ValueError(
            f"{printable(name, 40)!r} is no skeleton that is known: they are {', '.join(KNOWN)}"
        )
    return found


def of_count(points: int) -> list[str]:
    """Return the names of the known skeletons of so many points."""
    return [name for name, skeleton in KNOWN.items() if skeleton.points == points]
