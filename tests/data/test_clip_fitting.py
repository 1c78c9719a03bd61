"""Clips of one skeleton for models of another: the same sign is the same input, or is refused."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from signbart_port.config import SignBartConfig, joints
from signbart_port.config.skeletons import FOR_MODELS, KNOWN
from signbart_port.data.clip_fitting import check_coordinates, fit, notes
from signbart_port.data.clip_format import AS_STORED, ClipFormat
from signbart_port.data.model_interface import of_model
from signbart_port.errors import PortError
from tests.support.datasets import a_sign
from tests.support.small_models import small_config

Array = np.ndarray
POSE_HANDS = joints.NAMED["pose_hands"]
CONFIG = small_config(joint_idx=POSE_HANDS)


def read(config: SignBartConfig, clip: Array, form: ClipFormat = AS_STORED) -> Array:
    """The joints as a model of this config reads them."""
    prepared = of_model(config).prepare_clip(clip, config, 16, form)
    return prepared[:, list(config.joint_idx)] if config.layout == "full" else prepared


@pytest.mark.parametrize("layout", ["full", "selected"])
def test_a_sign_is_the_same_in_every_skeleton(layout: str) -> None:
    """In all of them `pose_hands` is there: the same inputs in every bit, so the same logits."""
    config = CONFIG.replace(layout=layout)
    expected = read(config, a_sign(KNOWN["mediapipe-75"]))
    assert expected.shape == (6, 48, 2) and np.ptp(expected) > 0.5
    assert np.array_equal(read(config, a_sign(KNOWN["mediapipe-100"])), expected), "needs no name"
    for name in KNOWN.keys() - {"upper-63"}:
        found = read(config, a_sign(KNOWN[name]), ClipFormat(name))
        assert np.array_equal(found, expected), name


def test_the_face_is_the_same_in_every_skeleton_that_has_it() -> None:
    config = small_config(joint_idx=tuple(range(100)))
    expected = read(config, a_sign(KNOWN["mediapipe-100"]))
    for name in ("holistic-543", "holistic-543-api", "holistic-553", "holistic-553-api"):
        assert np.array_equal(read(config, a_sign(KNOWN[name]), ClipFormat(name)), expected), name


@pytest.mark.parametrize("name", ["upper-90", "upper-65", "upper-63"])
def test_models_of_the_mobile_variant_read_mediapipe_s_clips(name: str) -> None:
    skeleton = KNOWN[name]
    config = small_config(joint_idx=tuple(range(skeleton.points)), skeleton=name)
    expected = read(config, a_sign(skeleton))
    for other in ("mediapipe-100", "holistic-543", "holistic-553-api"):
        if skeleton.sources[-1] in KNOWN[other].sources and name != "upper-63":
            assert np.array_equal(read(config, a_sign(KNOWN[other]), ClipFormat(other)), expected)
    whole = read(config, a_sign(KNOWN["holistic-543"]), ClipFormat("holistic-543"))
    assert np.array_equal(whole, expected)


def test_the_groups_of_the_mobile_variant_are_its_own() -> None:
    """Not MediaPipe's by number: each part of the body fills its box."""
    config = small_config(joint_idx=tuple(range(90)), skeleton="upper-90")
    clip = np.random.default_rng(0).uniform(0.4, 0.6, (3, 90, 2)).astype(np.float32)
    prepared = read(config, clip)
    for first, last in ((0, 22), (23, 43), (44, 64), (65, 89)):
        part = prepared[:, first : last + 1]
        assert (part.min(axis=1) < 0.2).all() and (part.max(axis=1) > 0.8).all()


@pytest.mark.parametrize(("model", "clip"), [*product(FOR_MODELS, KNOWN)])
def test_a_wrong_number_of_points_is_refused_by_name(model: str, clip: str) -> None:
    """Over all pairs of known skeletons; of equal numbers, one that is not named."""
    given, wanted = KNOWN[clip], KNOWN[model]
    same = len([one for one in KNOWN.values() if one.points == given.points])
    if given == wanted or (clip, model) == ("mediapipe-100", "mediapipe-75"):
        assert fit(a_sign(given), AS_STORED, wanted, (0,)).shape[1] == given.points
        return
    with pytest.raises(ValueError) as refused:
        fit(a_sign(given), AS_STORED, wanted, (0,))
    said = str(refused.value)
    assert said.startswith(f"{given.points} keypoints a frame: the model reads {model}")
    assert f"--skeleton {clip}" in said or f"or {clip}" in said
    assert said.count(f"-{given.points}") >= same


@pytest.mark.parametrize("name", ["holistic-543", "holistic-543-api", "holistic-553"])
def test_of_equal_numbers_an_unnamed_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"as .* and .* have them\. Say which: --skeleton"):
        fit(a_sign(KNOWN[name]), AS_STORED, KNOWN[name], ())
    assert fit(a_sign(KNOWN[name]), ClipFormat(name), KNOWN[name], ()).shape[1] > 540


@pytest.mark.parametrize(
    ("name", "joint_idx", "says"),
    [
        ("wholebody-133", range(75), "lacks pose 0, pose 1, pose 2 and 24 more of mediapipe-75"),
        ("openpose-137", (0, *POSE_HANDS), "lacks pose 0 of mediapipe-75"),
        ("upper-90", range(75), "lacks pose 23, pose 24, pose 25 and 7 more"),
        ("mediapipe-75", (*POSE_HANDS, 75), "lacks face 10, face 338, face 297 and 22 more"),
    ],
)
def test_what_is_read_must_be_there(name: str, joint_idx: Sequence[int], says: str) -> None:
    config = small_config(joint_idx=tuple(joint_idx))
    with pytest.raises(ValueError, match=says):
        read(config, a_sign(KNOWN[name]), ClipFormat(name))


def test_a_group_must_be_there_as_a_whole() -> None:
    """Its points make the box, be they read or not."""
    config = small_config(joint_idx=(11, 12), skeleton="upper-65")
    with pytest.raises(ValueError, match="lacks pose 0, pose 1, pose 2 and 14 more of upper-65"):
        read(config, a_sign(KNOWN["wholebody-133"]), ClipFormat("wholebody-133"))
    hands = small_config(joint_idx=tuple(range(23, 65)), skeleton="upper-65")
    found = read(hands, a_sign(KNOWN["wholebody-133"]), ClipFormat("wholebody-133"))
    assert np.array_equal(found, read(hands, a_sign(KNOWN["upper-65"])))


def test_another_number_than_the_named_skeleton_has() -> None:
    with pytest.raises(
        ValueError, match=r"75 keypoints a frame: upper-90 has 90\. If they are med"
    ):
        read(CONFIG, a_sign(KNOWN["mediapipe-75"]), ClipFormat("upper-90"))


@pytest.mark.parametrize("name", [None, "wholebody-133"])
def test_pixels(name: str | None) -> None:
    """Powers of two, so that nothing is rounded; what is missing stays so."""
    clip = a_sign(KNOWN[name or "mediapipe-75"])
    clip[:, 40] = 0
    pixels = clip * np.float32([1024, 512, 1])
    form = ClipFormat(name, (1024, 512))
    assert np.array_equal(read(CONFIG, pixels, form), read(CONFIG, clip, ClipFormat(name)))


def test_a_frame_size_that_cannot_be() -> None:
    clip = a_sign(KNOWN["mediapipe-75"])[..., :2]
    with pytest.raises(ValueError, match=r"100% of its coordinates are within .* Leave --frame-si"):
        check_coordinates(clip, ClipFormat(None, (1280, 720)))
    with pytest.raises(ValueError, match=r"divided by --frame-size 32,24\. Give the size"):
        check_coordinates(clip * np.float32([1280, 720]), ClipFormat(None, (32, 24)))
    check_coordinates(clip * np.float32([1280, 720]), ClipFormat(None, (1280, 720)))
    check_coordinates(0 * clip, ClipFormat(None, (1280, 720)))


def test_what_is_said() -> None:
    def said(name: str | None, size: tuple[int, int] | None = None) -> tuple[str, ...]:
        return notes(ClipFormat(name, size), KNOWN["mediapipe-75"], POSE_HANDS)

    assert said(None) == ()
    assert said("mediapipe-75") == ("clips are of mediapipe-75, as --skeleton says",)
    assert said("holistic-543") == (
        "clips are of holistic-543, brought to mediapipe-75 without loss",
    )
    pixels, loss = said("wholebody-133", (640, 480))
    assert pixels == "coordinates are divided by the frame's size, 640×480 pixels"
    assert "brought to mediapipe-75: 48 of its 75 points correspond" in loss


def test_options() -> None:
    assert ClipFormat.parse(None) == AS_STORED and AS_STORED.as_dict() == {}
    assert ClipFormat.parse("100", "1280,720") == ClipFormat("mediapipe-100", (1280, 720))
    assert ClipFormat.parse(None, [640, 480]).as_dict() == {"frame_size": (640, 480)}
    for wrong in ("640", "640,480,3", "0,480", "a,b", "640x480", "-1,480", "1e3,480"):
        with pytest.raises(PortError, match="it is width and height in pixels"):
            ClipFormat.parse(None, wrong)
    with pytest.raises(PortError, match="--skeleton kaggle: 'kaggle' is no skeleton"):
        ClipFormat.parse("kaggle")
