"""What may surprise in clips that are files of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from signbart_port.config.skeletons import Skeleton
from signbart_port.data import clip_fitting
from signbart_port.data.clip_format import ClipFormat
from signbart_port.data.coordinates import Coordinates, far_hands
from signbart_port.data.samples import Sample
from signbart_port.errors import PortError


def check_coordinates(clips: Sequence[Sample], form: ClipFormat) -> None:
    """Raise PortError for a clip most of whose coordinates are outside the frame."""
    for clip in clips:
        try:
            clip_fitting.check_coordinates(clip.keypoints, form)
        except ValueError as error:
            raise PortError(clip.path, str(error)) from None


def clip_notes(
    clips: Sequence[Sample], form: ClipFormat, read: Skeleton, joint_idx: Sequence[int]
) -> Iterator[str]:
    """Yield how clips are read by a model of these joints, and what in each was taken for
    what or may surprise."""
    yield from clip_fitting.notes(form, read, joint_idx)
    for clip in clips:
        yield from (f"{clip.path}: {note}" for note in clip.notes)
        parts = clip_fitting.in_parts(clip.keypoints, form)
        given = form.skeleton_of(parts.shape[1], read)
        yield from (f"{clip.path}: {note}" for note in Coordinates.of(parts, given).notes())
        if form.stated:
            yield from (f"{clip.path}: {note}" for note in far_hands(parts, form.stated))
