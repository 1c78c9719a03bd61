"""The preparation of clips in JavaScript: in every bit what NumPy gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signbart_port.config.skeletons import KNOWN, MEDIAPIPE_75, MEDIAPIPE_100, Skeleton
from signbart_port.data.clip_format import AS_STORED, ClipFormat
from signbart_port.data.model_interface import Interface
from signbart_port.tflite.description import describe, preparation
from signbart_port.tflite.runner import Runner
from tests.support.cards import a_card
from tests.support.datasets import a_clip
from tests.support.node import prepared_in_node
from tests.support.small_models import small_config

JOINTS = (*range(11, 17), *range(33, 75))
UPPER = KNOWN["upper-63"]


def a_file(
    skeleton: Skeleton = MEDIAPIPE_75, *, layout: str = "full", **interface: Any
) -> tuple[Interface, Any]:
    """The interface and the card of a file that reads the arms and hands of a skeleton."""
    joints = JOINTS if skeleton in (MEDIAPIPE_75, MEDIAPIPE_100) else range(3, 57)
    takes = interface.get("takes") or skeleton
    keypoints = takes.points if layout == "full" else len(joints)
    made = Interface(keypoints, skeleton=skeleton, **interface)
    card = a_card(
        small_config(),
        frames=(16, 40),
        interface=made,
        joint_idx=tuple(joints),
        layout=layout,
        count_missing=made.count_missing,
        skeleton=skeleton.name,
    )
    return made, card


FILES = {
    "full": a_file(),
    "selected": a_file(layout="selected"),
    "without missing points": a_file(count_missing=False),
    "face": a_file(MEDIAPIPE_100),
    "upper": a_file(UPPER, layout="selected", count_missing=False),
    "preprocessing": a_file(preprocessing=True),
    "another skeleton in the graph": a_file(preprocessing=True, takes=KNOWN["holistic-543"]),
}


def a_hard_clip(points: int, frames: int = 23) -> np.ndarray:
    """Random points with missing hands, empty frames, NaN, infinity, and one point alone."""
    rng = np.random.default_rng(points + frames)
    clip = rng.normal(0.5, 0.4, (frames, points, 3))
    clip[rng.random((frames, points)) < 0.2] = 0
    clip[::4, 33:54] = 0  # a hand
    clip[1::5] = 0  # every point
    clip[2::6] = 0
    clip[2::6, 40, :2] = 0.25, 0.75  # but one
    clip[0, 3, 0], clip[3, 5, 1], clip[6, 7, 0] = np.nan, np.inf, -np.inf
    clip[7, 8, 0], clip[8, 9, :2] = 1e300, (-0.0, 0.5)
    clip[9, :, 0] = 0.5  # a box without width
    clip[12] = np.nan
    return clip


def compare(cases: list[tuple[Interface, Any, np.ndarray, ClipFormat]]) -> None:
    """Hold JavaScript against `Interface.prepare_clip`, bit for bit but for the sign of 0."""
    jobs = [
        {
            "description": preparation(interface, card),
            "clip": clip,
            "options": {"skeleton": form.skeleton, "frameSize": form.frame_size},
        }
        for interface, card, clip, form in cases
    ]
    for (interface, card, clip, form), got in zip(cases, prepared_in_node(jobs), strict=True):
        with np.errstate(over="ignore", invalid="ignore"):
            wanted = interface.prepare_clip(clip, card, card.most_frames, form)
        assert isinstance(got, np.ndarray), got
        np.testing.assert_array_equal(got, wanted)
        assert np.unique(got[np.isfinite(got)]).size > 100  # not all 0


@pytest.mark.parametrize("name", FILES)
def test_hard_clips(name: str) -> None:
    interface, card = FILES[name]
    read, _ = interface.reads(card)
    clip = a_hard_clip(read.points)
    with np.errstate(over="ignore"):
        single, pixels = clip.astype(np.float32), (clip * 640).astype(np.float32)
    stated = ClipFormat(read.name)  # an unnamed clip may be of two skeletons
    compare(
        [
            (interface, card, clip, stated),
            (interface, card, single, stated),
            (interface, card, a_hard_clip(read.points, 77), stated),
            (interface, card, clip * 640, ClipFormat(read.name, (641, 359))),
            (interface, card, pixels, ClipFormat(read.name, (641, 359))),
        ]
    )


@pytest.mark.parametrize("most", [1, 2, 16, 63])
def test_the_frames_that_are_kept(most: int) -> None:
    """Of clips of every length, those that NumPy's linspace chooses."""
    interface, card = FILES["full"]
    card = replace(card, frames=(most,))
    clips = [a_clip(frames, frames) for frames in range(1, 120, 7)]
    compare([(interface, card, clip, AS_STORED) for clip in clips])


def test_clips_of_another_skeleton() -> None:
    interface, card = FILES["selected"]
    forms = [ClipFormat("holistic-543"), ClipFormat("holistic-553-api"), ClipFormat("upper-65")]
    compare([(interface, card, a_hard_clip(form.stated.points), form) for form in forms])
    hundred = a_hard_clip(100)
    compare([(*FILES["full"], hundred, AS_STORED), (*FILES["preprocessing"], hundred, AS_STORED)])


def test_what_is_refused_is_refused_in_the_same_words() -> None:
    cases = [
        ("full", 137, None),
        ("full", 42, None),
        ("full", 90, "upper-65"),
        ("full", 75, "openpose-137"),
        ("upper", 133, "wholebody-133"),  # lacks points of the pose
    ]
    jobs = [
        {
            "description": preparation(*FILES[name]),
            "clip": np.zeros((2, points, 2)),
            "options": {"skeleton": skeleton},
        }
        for name, points, skeleton in cases
    ]
    for (name, points, skeleton), got in zip(cases, prepared_in_node(jobs), strict=True):
        interface, card = FILES[name]
        with pytest.raises(ValueError) as refused:
            interface.prepare_clip(np.zeros((2, points, 2)), card, 8, ClipFormat(skeleton))
        assert str(refused.value).startswith(got["error"]) and len(got["error"]) > 20


@pytest.mark.parametrize(
    ("shape", "says"),
    [((0, 75, 2), "at least one frame"), ((3, 75, 1), "[x, y"), ((3, 75), "[x, y")],
)
def test_what_is_no_clip(shape: tuple[int, ...], says: str) -> None:
    description = preparation(*FILES["full"])
    (got,) = prepared_in_node([{"description": description, "clip": np.zeros(shape)}])
    assert says in got["error"]


def test_the_inputs_of_signatures(small_tflite: Any) -> None:
    """Which signature, its padding and its mask: as the Python runner has them."""
    path = small_tflite(4, 16)
    runner, description = Runner(path), describe(path)
    clips = [a_clip(frames, frames) for frames in (1, 4, 5, 16, 17, 64, 100)]
    jobs = [{"description": description, "clip": clip, "padded": True} for clip in clips]
    used = set()
    for clip, got in zip(clips, prepared_in_node(jobs), strict=True):
        wanted = runner.prepare(clip)
        used.add(wanted.signature)
        assert got["signature"] == wanted.signature
        np.testing.assert_array_equal(got["keypoints"], wanted.keypoints)
        np.testing.assert_array_equal(got["attention_mask"], wanted.attention_mask)
    assert used == {"frames_4", "serving_default"}


def test_real_clips(shared_data: Path) -> None:
    with np.load(shared_data / "arabic-asl.npz") as data:
        lengths = data["lengths"]
        keypoints = data["keypoints"].astype(np.float32)
    clips = np.split(keypoints, np.cumsum(lengths)[:-1])[::48]
    assert len(clips) == 15
    assert any((~clip[:, 33:54].any(axis=(1, 2))).any() for clip in clips)  # hands are missing
    compare([(*FILES["face"], clip, ClipFormat("mediapipe-100")) for clip in clips])
    compare([(*FILES["without missing points"], clip[:, :75], AS_STORED) for clip in clips])
