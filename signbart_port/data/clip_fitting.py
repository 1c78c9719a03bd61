"""Clips of another skeleton or in pixels: brought to what a model reads, or refused by name.

A clip has as many points as the skeleton that is read, or the user says by name which skeleton it
has: what its points are is never guessed from their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.config import skeletons
from signbart_port.config.skeletons import MEDIAPIPE_75, MEDIAPIPE_100, Skeleton
from signbart_port.data.clip_format import ClipFormat
from signbart_port.data.coordinates import Coordinates
from signbart_port.errors import first_of


@dataclass(frozen=True)
class Selection:
    """The way from clips of one skeleton to those of another."""

    given: Skeleton
    read: Skeleton
    joint_idx: tuple[int, ...] = ()
    """The joints that a model reads of `read`; none where they are unknown: all must be there."""

    @property
    def indices(self) -> list[int]:
        """Where each point of `read` is in `given`; -1 for one that it does not have."""
        places = {source: place for place, source in enumerate(self.given.sources)}
        return [places.get(source, -1) for source in self.read.sources]

    @property
    def lacking(self) -> list[int]:
        """The points of `read` that have an effect and that `given` does not have."""
        indices = self.indices
        return [point for point in self.read.read_by(self.joint_idx) if indices[point] < 0]

    def check(self) -> None:
        """Raise ValueError, with a message for the user, unless everything is there that is
        read."""
        if lacking := self.lacking:
            shown = first_of([self.read.sources[point] for point in lacking], 3)
            raise ValueError(
                f"a clip of {self.given.name} lacks {shown} of {self.read.name}, which the model"
                " reads"
            )

    def of(self, keypoints: NDArray[Any]) -> NDArray[Any]:
        """Return a clip (..., K, 2 or more) of `given` as one of `read`, (..., K, 2); points that
        it does not have are missing, (0, 0)."""
        indices = np.array(self.indices)
        selected: NDArray[Any] = keypoints[..., indices, :2]
        selected[..., indices < 0, :] = 0
        return selected

    def note(self) -> str:
        """Say what is done, for the user."""
        absent = [s for s, at in zip(self.read.sources, self.indices, strict=True) if at < 0]
        what = f"clips are of {self.given.name}, brought to {self.read.name}"
        if not absent:
            return f"{what} without loss"
        kept = self.read.points - len(absent)
        return (
            f"{what}: {kept} of its {self.read.points} points correspond, all that the model reads;"
            " the others are left missing"
        )


def in_parts(keypoints: NDArray[Any], form: ClipFormat) -> NDArray[Any]:
    """Return a clip (T, K, 2 or more) with x and y in parts of the frame."""
    if form.frame_size is None:
        return keypoints
    parts: NDArray[Any] = keypoints[..., :2] / np.array(form.frame_size, keypoints.dtype)
    return parts


def check_coordinates(keypoints: NDArray[Any], form: ClipFormat) -> None:
    """Raise ValueError, with a message for the user, unless a clip of this format can be in parts
    of the frame or, where the size of the frames is stated, in pixels."""
    if form.frame_size is not None:
        Coordinates.of(keypoints, None).check_pixels()
    Coordinates.of(in_parts(keypoints, form), None).check(form.frame_size)


def selection(form: ClipFormat, read: Skeleton, joint_idx: Sequence[int]) -> Selection | None:
    """Return the selection that brings clips of this format to the skeleton that is read; None
    where there is nothing to select."""
    given = form.stated
    if given is None or given == read or (given, read) == (MEDIAPIPE_100, MEDIAPIPE_75):
        return None
    return Selection(given, read, tuple(joint_idx))


def can_have(skeleton: Skeleton, points: int) -> bool:
    """Return whether clips of so many points can be of a skeleton: MediaPipe's 75 may be followed
    by its face points."""
    more = skeleton == MEDIAPIPE_75 and points == MEDIAPIPE_100.points
    return more or points == skeleton.points


def fit(
    keypoints: NDArray[Any], form: ClipFormat, read: Skeleton, joint_idx: Sequence[int]
) -> NDArray[Any]:
    """Return a clip (T, K, 2 or more) as one of the skeleton that is read, in parts of the frame.

    A clip of mediapipe-100 is one of mediapipe-75 with more points, and stays as it is. Raises
    ValueError, with a message for the user, for a clip of another skeleton.
    """
    points = keypoints.shape[1]
    if form.stated and not can_have(form.stated, points):
        raise ValueError(
            f"{points} keypoints a frame: {form.stated.name} has {form.stated.points}."
            f" {suggestion(points)}"
        )
    if form.stated is None:
        _check_unnamed(points, read)
    parts = in_parts(keypoints, form)
    if way := selection(form, read, joint_idx):
        way.check()
        return way.of(parts)
    return parts


def notes(form: ClipFormat, read: Skeleton, joint_idx: Sequence[int]) -> tuple[str, ...]:
    """Say how clips of this format are read."""
    said = []
    if form.frame_size:
        said.append(
            "coordinates are divided by the frame's size, {}×{} pixels".format(*form.frame_size)
        )
    if way := selection(form, read, joint_idx):
        said.append(way.note())
    elif form.stated:
        said.append(f"clips are of {form.stated.name}, as --skeleton says")
    return tuple(said)


def _check_unnamed(points: int, read: Skeleton) -> None:
    """Raise ValueError unless clips of so many points are certainly of the skeleton that is
    read."""
    if not can_have(read, points):
        raise ValueError(
            f"{points} keypoints a frame: the model reads {read.name}, of {read.points}."
            f" {suggestion(points)}"
        )
    if len(same := skeletons.of_count(points)) > 1 and read.name in same:
        raise ValueError(
            f"{points} keypoints a frame, as {' and '.join(same)} have them."
            f" Say which: --skeleton {' or '.join(same)}"
        )


def suggestion(points: int) -> str:
    """Say which known skeletons have so many points."""
    if found := skeletons.of_count(points):
        return f"If they are {' or '.join(found)}, say so: --skeleton {' or '.join(found)}"
    return f"No known skeleton has {points}: {', '.join(skeletons.KNOWN)}"
