"""Whether the coordinates of clips are what MediaPipe gives: one rule for every verb.

x and y are fractions of the frame's width and height. Pixels, percent and centered coordinates come
to light by their range. MediaPipe itself puts points outside the frame: in real clips up to 19 % of
the coordinates, mostly of legs, up to 2.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.config.skeletons import Skeleton

REFUSED, NOTED = 0.5, 0.2
"""The shares of coordinates outside [0, 1] above which a clip is refused, and noted."""
FARTHEST = (-3.0, 4.0)
"""One coordinate beyond these is noted."""
PIXELS = 150.0
"""The largest coordinate from which on coordinates are pixels, and not percent."""
WORDS = {
    "outside": "{share} of its coordinates are outside [0, 1], {lowest} to {highest}",
    "another size": "{outside}, divided by --frame-size {size}. Give the size of the frames",
    "another unit": "{outside}: {unit}, not parts of the frame's width and height. {remedy}",
    "no pixels": "{share} of its coordinates are within [0, 1], {lowest} to {highest}: parts of the"
    " frame's width and height already, not pixels. Leave --frame-size out",
    "strays": "{share} of the coordinates are outside [0, 1], {lowest} to {highest}: are they parts"
    " of the frame's width and height?",
    "blank": "no point in any frame",
    "unseen": "no {hand} in any frame",
}
"""What is said of a clip, for whoever fills it in: this module, and the web page."""
_INTO_FRAME = "Bring them into [0, 1]: 0 is the left or upper edge, 1 the right or lower one"
UNITS = {
    "pixels": ("pixels", "For pixels, give --frame-size W,H"),
    "percent": (
        "percent or pixels",
        "For percent, give --frame-size 100,100; for pixels, give --frame-size W,H",
    ),
    "centered": ("centered ones", _INTO_FRAME),
    "other": ("of another unit", _INTO_FRAME),
}
"""What coordinates outside of [0, 1] may be, and what to do."""
FAR = 0.75
"""Shoulder widths between a hand and its wrist that are noted: in 720 real clips the median of a
clip is 0.7 at the most, and 0.09 in the middle."""


@dataclass(frozen=True)
class Coordinates:
    """The finite coordinates of the points of a clip that are not (0, 0)."""

    lowest: float
    highest: float
    outside: float
    """The share outside [0, 1]."""
    blank: bool
    """Whether there is no point in any frame."""
    unseen: tuple[str, ...]
    """The hands without a point in any frame."""

    @classmethod
    def of(cls, keypoints: NDArray[Any], skeleton: Skeleton | None) -> Coordinates:
        """Judge a clip (T, K, 2 or more) in parts of the frame; without a skeleton, no hands."""
        xy = keypoints[..., :2]
        there = present(xy)
        found = xy[there]
        found = found[np.isfinite(found)]
        hands = skeleton.hands if skeleton else {}
        seen = there & np.isfinite(xy).all(axis=-1)
        return cls(
            lowest=float(found.min()) if found.size else 0.0,
            highest=float(found.max()) if found.size else 0.0,
            outside=float(((found < 0) | (found > 1)).mean()) if found.size else 0.0,
            blank=not seen.any(),
            unseen=tuple(hand for hand, points in hands.items() if not seen[:, points].any()),
        )

    def check(self, frame_size: tuple[int, int] | None = None) -> None:
        """Raise ValueError, with a message for the user, where most are outside the frame; the
        coordinates have been divided by a `frame_size`."""
        if self.outside <= REFUSED:
            return
        outside = self._say("outside")
        if frame_size:
            size = "{},{}".format(*frame_size)
            raise ValueError(WORDS["another size"].format(outside=outside, size=size))
        unit, remedy = UNITS[self._unit()]
        what = WORDS["another unit"].format(outside=outside, unit=unit, remedy=remedy)
        raise ValueError(what)

    def check_pixels(self) -> None:
        """Raise ValueError, with a message for the user, unless the coordinates can be pixels."""
        if not self.blank and self.outside <= REFUSED:
            raise ValueError(self._say("no pixels", share=1 - self.outside))

    @property
    def strays(self) -> bool:
        """Whether more coordinates are outside the frame, or farther, than MediaPipe has them."""
        beyond = self.lowest < FARTHEST[0] or self.highest > FARTHEST[1]
        return self.outside > NOTED or beyond

    def notes(self) -> list[str]:
        """Return notes on one clip."""
        said = [self._say("strays")] if self.strays else []
        if self.blank:
            return [*said, WORDS["blank"]]
        return said + [WORDS["unseen"].format(hand=hand) for hand in self.unseen]

    def _say(self, what: str, share: float | None = None) -> str:
        share = self.outside if share is None else share
        lowest, highest = f"{self.lowest:.4g}", f"{self.highest:.4g}"
        return WORDS[what].format(share=f"{share:.0%}", lowest=lowest, highest=highest)

    def _unit(self) -> str:
        if self.highest > PIXELS:
            return "pixels"
        if self.highest > FARTHEST[1]:
            return "percent"
        return "centered" if self.lowest < 0 else "other"


def rules() -> dict[str, Any]:
    """Return what a program in another language needs to judge clips as this module does."""
    return {
        "refused": REFUSED,
        "noted": NOTED,
        "farthest": FARTHEST,
        "pixels": PIXELS,
        "words": WORDS,
        "units": UNITS,
    }


def present(xy: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which points of (..., 2) are not (0, 0)."""
    there: NDArray[np.bool_] = (xy != 0).any(axis=-1)
    return there


class Surprises:
    """What may surprise in the clips of a dataset, which are looked at one by one.

    Where the user has `stated` their skeleton, it may be that it is hardly theirs.
    """

    def __init__(self, skeleton: Skeleton | None, stated: Skeleton | None = None) -> None:
        self._skeleton = skeleton
        self._judged = list[Coordinates]()
        self._hands = HandDistances(stated) if stated else None

    def add(self, clip: NDArray[Any]) -> None:
        """Look at a clip (T, K, 2 or more) in parts of the frame."""
        self._judged.append(Coordinates.of(clip, self._skeleton))
        if self._hands:
            self._hands.add(clip)

    def notes(self) -> tuple[str, ...]:
        """Return a note on each surprise, with the number of its clips."""
        judged, said = self._judged, []
        if strays := [one for one in judged if one.strays]:
            worst = max(one.outside for one in strays)
            lowest, highest = min(one.lowest for one in strays), max(one.highest for one in strays)
            said.append(
                f"{_clips(len(strays), judged)} have many coordinates outside [0, 1], up to"
                f" {worst:.0%} of a clip, or far outside: {lowest:.4g} to {highest:.4g}"
            )
        if blank := sum(one.blank for one in judged):
            said.append(f"{_clips(blank, judged)} have no point in any frame")
        for hand in self._skeleton.hands if self._skeleton else ():
            if count := sum(hand in one.unseen and not one.blank for one in judged):
                said.append(f"{_clips(count, judged)} have no {hand} in any frame")
        return (*said, *(self._hands.notes() if self._hands else ()))


class HandDistances:
    """How far hands are from their wrists: where it is far, the points are hardly those of the
    skeleton."""

    def __init__(self, skeleton: Skeleton) -> None:
        self._name = skeleton.name
        places = {source: place for place, source in enumerate(skeleton.sources)}
        self._points, self._away = dict[str, list[int]](), dict[str, list[float]]()
        for hand, wrist in (("left hand", "pose 15"), ("right hand", "pose 16")):
            needed = (f"{hand} 0", wrist, "pose 11", "pose 12")
            if all(source in places for source in needed):
                self._points[hand] = [places[source] for source in needed]
                self._away[hand] = []

    def add(self, clip: NDArray[Any]) -> None:
        """Look at a clip (T, K, 2 or more)."""
        for hand, points in self._points.items():
            self._away[hand].append(_from_wrist(clip[:, points, :2]))

    def notes(self) -> tuple[str, ...]:
        """Return a note for each hand that is far from its wrist in some of the clips."""
        return tuple(
            f"the {hand} is up to {max(far):.1f} shoulder widths from its wrist in"
            f" {_clips(len(far), away)}: are the points really those of {self._name}?"
            for hand, away in self._away.items()
            if (far := [distance for distance in away if distance > FAR])
        )


def far_hands(clip: NDArray[Any], skeleton: Skeleton) -> tuple[str, ...]:
    """Return a note for each hand that is far from its wrist in a clip (T, K, 2 or more)."""
    distances = HandDistances(skeleton)
    distances.add(clip)
    return distances.notes()


def _from_wrist(points: NDArray[Any]) -> float:
    """Return the median distance of a hand's first point from the wrist, in shoulder widths, of
    these two and both shoulders (T, 4, 2); 0 where they are never seen together."""
    points = points.astype(np.float64)
    seen = points[(present(points) & np.isfinite(points).all(axis=-1)).all(axis=-1)]
    width = np.linalg.norm(seen[:, 2] - seen[:, 3], axis=-1)
    away = np.linalg.norm(seen[:, 0] - seen[:, 1], axis=-1)[width > 0] / width[width > 0]
    return float(np.median(away)) if away.size else 0.0


def _clips(count: int, all_of_them: Sequence[object]) -> str:
    return f"{count:,} of {len(all_of_them):,} clips"
