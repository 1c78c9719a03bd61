"""The range of coordinates: what is refused, what is noted, and what is like MediaPipe's."""

from __future__ import annotations

import numpy as np
import pytest

from signbart_port.config.skeletons import KNOWN, MEDIAPIPE_75
from signbart_port.data.coordinates import Coordinates, Surprises, far_hands
from signbart_port.data.dataset import load, open_dataset
from signbart_port.errors import PortError
from tests.support.datasets import Folder, a_clip, a_sign

Array = np.ndarray


def judge(clip: Array) -> Coordinates:
    return Coordinates.of(clip, MEDIAPIPE_75)


def with_outside(share: float, value: float = 1.5) -> Array:
    """A clip of 1,500 coordinates, a share of which has this value."""
    clip = a_clip(0, frames=10)
    clip.reshape(-1)[: round(share * clip.size)] = value
    return clip


def test_what_mediapipe_gives_needs_no_word() -> None:
    for clip in (a_clip(0), with_outside(0.19, 2.7), with_outside(0.2), with_outside(0.1, -2.9)):
        judged = judge(clip)
        judged.check()
        assert judged.notes() == []


@pytest.mark.parametrize(
    ("clip", "unit"),
    [
        (a_clip(0) * np.float32([1280, 720]), "pixels"),
        (a_clip(0) * np.float32(100), "percent or pixels"),
        (a_clip(0) * np.float32(0.5) - np.float32(0.8), "centered ones"),
        (with_outside(0.51), "of another unit"),
    ],
)
def test_coordinates_of_another_unit_are_refused(clip: Array, unit: str) -> None:
    with pytest.raises(ValueError, match=r"of its coordinates are outside \[0, 1\].*" + unit):
        judge(clip).check()


@pytest.mark.parametrize(
    ("clip", "remedy"),
    [
        (a_clip(0) * np.float32([1280, 720]), "For pixels, give --frame-size W,H"),
        (a_clip(0) * np.float32(100), "For percent, give --frame-size 100,100; for pixels, give"),
        (a_clip(0) * np.float32(0.5) - np.float32(0.8), "Bring them into"),
    ],
)
def test_each_unit_has_its_remedy(clip: Array, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        judge(clip).check()


ORDERS = ("holistic-543", "holistic-543-api")


@pytest.mark.parametrize("name", [name for name in KNOWN if name != "openpose-137"])
def test_hands_at_their_wrists(name: str) -> None:
    assert far_hands(a_sign(KNOWN[name]), KNOWN[name]) == ()


@pytest.mark.parametrize(("made", "named"), [ORDERS, ORDERS[::-1]])
def test_hands_far_from_their_wrists(made: str, named: str) -> None:
    """Points in the order of another skeleton with as many."""
    clips = [a_sign(KNOWN[made], 60), a_sign(KNOWN[named], 60)]
    surprises = Surprises(KNOWN[named], KNOWN[named])
    for clip in clips:
        surprises.add(clip)
    notes = surprises.notes()[-2:]
    assert [note.split(" is up to ")[0] for note in notes] == ["the left hand", "the right hand"]
    for note in notes:
        assert note.endswith(f"in 1 of 2 clips: are the points really those of {named}?")


def test_hands_that_are_not_seen_are_not_far() -> None:
    clip = a_sign(KNOWN["mediapipe-75"])
    clip[:, 15], clip[:, 16] = 0, np.nan
    assert far_hands(clip, KNOWN["mediapipe-75"]) == ()


def test_half_is_noted_and_not_refused() -> None:
    judged = judge(with_outside(0.5))
    judged.check()
    (note,) = judged.notes()
    assert note.startswith("50% of the coordinates are outside [0, 1]")


@pytest.mark.parametrize("value", [4.01, -3.01])
def test_one_coordinate_far_outside_is_noted(value: float) -> None:
    clip = a_clip(0)
    clip[0, 0, 0] = value
    (note,) = judge(clip).notes()
    assert f"{value}" in note


def test_missing_points_and_those_without_a_number_do_not_count() -> None:
    clip = with_outside(0.4)
    clip[:, 30:] = 0  # of 300 coordinates in use, 600 of the first frames were outside
    clip[0, :30, 0] = np.nan
    finite = clip[(clip != 0).any(axis=-1)]
    finite = finite[np.isfinite(finite)]
    assert judge(clip).outside == pytest.approx(((finite < 0) | (finite > 1)).mean())


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_no_point_at_all(value: float) -> None:
    assert judge(np.full((4, 75, 2), value)).notes() == ["no point in any frame"]


def test_a_hand_that_is_never_seen() -> None:
    clip = a_clip(0)
    clip[:, 33:54] = np.nan
    assert judge(clip).notes() == ["no left hand in any frame"]
    clip[:, 54:75] = 0
    assert judge(clip).notes() == ["no left hand in any frame", "no right hand in any frame"]
    clip[2, 60] = 0.5
    assert judge(clip).notes() == ["no left hand in any frame"]
    assert Coordinates.of(clip, None).notes() == [], "hands of an unknown skeleton"


def test_a_dataset_is_judged_clip_by_clip() -> None:
    far, blank, handless = a_clip(1), np.zeros((3, 75, 2)), a_clip(2)
    far[0, 0] = 9
    handless[:, 54:75] = 0
    surprises = Surprises(MEDIAPIPE_75)
    surprises.add(a_clip(0))
    assert surprises.notes() == ()
    for clip in (far, blank, handless):
        surprises.add(clip)
    found = surprises.notes()
    assert [note.split(" have ")[0] for note in found] == ["1 of 4 clips"] * 3
    assert [note.split(" have ")[1][:22] for note in found] == [
        "many coordinates outsi",
        "no point in any frame",
        "no right hand in any f",
    ]


def test_a_clip_of_a_dataset_that_is_refused_is_a_bad_sample(folder: Folder) -> None:
    path = folder.put("train/cat/pixels", 640 * a_clip(9))
    entries = open_dataset(folder.root).entries
    with pytest.raises(PortError, match="pixels, not parts of the frame") as refused:
        load(entries)
    assert refused.value.path == path
    found = load(entries, skip_bad=True)
    assert [bad.entry.path for bad in found.bad] == [path] and len(found.entries) == 5
