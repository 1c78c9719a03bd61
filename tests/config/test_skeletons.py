"""Skeletons by name, and what a config says of its own."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from signbart_port import config as configs
from signbart_port.config import joints, model_skeleton
from signbart_port.config.skeletons import FOR_MODELS, HANDS, KNOWN, named, of_count
from signbart_port.errors import PortError
from tests.support.small_models import small_config

POSE_HANDS = joints.NAMED["pose_hands"]
OWN = {"points": 48, "groups": {"body": "0-5", "left hand": "6-26", "right hand": "27-47"}}

# Points, and the first and last of the body (or pose), the left hand, the right hand and the face.
TABLE = {
    "mediapipe-75": (75, (0, 32), (33, 53), (54, 74), None),
    "mediapipe-100": (100, (0, 32), (33, 53), (54, 74), (75, 99)),
    "upper-90": (90, (0, 22), (23, 43), (44, 64), (65, 89)),
    "upper-65": (65, (0, 22), (23, 43), (44, 64), None),
    "upper-63": (63, (0, 14), (15, 35), (36, 56), (57, 62)),
    "holistic-543": (543, (489, 521), (468, 488), (522, 542), (0, 467)),
    "holistic-543-api": (543, (0, 32), (501, 521), (522, 542), (33, 500)),
    "holistic-553": (553, (499, 531), (478, 498), (532, 552), (0, 477)),
    "holistic-553-api": (553, (0, 32), (511, 531), (532, 552), (33, 510)),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_parts_of_mediapipe_s_skeletons(name: str) -> None:
    points, *parts = TABLE[name]
    skeleton = KNOWN[name]
    assert skeleton.points == points == len(set(skeleton.sources))
    for prefix, bounds in zip(("pose", *HANDS, "face"), parts, strict=True):
        found = [n for n, source in enumerate(skeleton.sources) if source.startswith(prefix)]
        assert found == (list(range(bounds[0], bounds[1] + 1)) if bounds else [])


def test_the_points_of_the_face_and_the_small_body() -> None:
    face = [int(source.split()[1]) for source in KNOWN["mediapipe-100"].sources[75:]]
    assert face == [
        10, 338, 297, 332, 172, 152, 397, 103, 67, 109, 33, 133, 160, 159, 158, 144, 145, 362, 263,
        387, 386, 385, 373, 374, 1,
    ]  # fmt: skip
    assert KNOWN["upper-90"].sources[65:] == KNOWN["mediapipe-100"].sources[75:]
    small = [int(source.split()[-1]) for source in KNOWN["upper-63"].sources]
    assert small[:15] == [0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16]
    assert small[57:] == [10, 338, 297, 67, 234, 454]


@pytest.mark.parametrize(
    ("name", "points", "arms", "left"),
    [
        ("wholebody-133", 133, (5, 6, 7, 8, 9, 10), 91),
        ("openpose-137", 137, (5, 2, 6, 3, 7, 4), 95),
    ],
)
def test_other_detectors_share_arms_and_hands(
    name: str, points: int, arms: tuple[int, ...], left: int
) -> None:
    skeleton = KNOWN[name]
    assert skeleton.points == points == len(set(skeleton.sources))
    assert [skeleton.sources[n] for n in arms] == [f"pose {n}" for n in range(11, 17)]
    shared = set(skeleton.sources) & set(KNOWN["mediapipe-100"].sources)
    assert shared == {KNOWN["mediapipe-75"].sources[n] for n in POSE_HANDS}
    assert skeleton.hands == {
        "left hand": list(range(left, left + 21)),
        "right hand": list(range(left + 21, left + 42)),
    }


def test_what_is_normalized_together() -> None:
    assert FOR_MODELS == ("mediapipe-75", "mediapipe-100", "upper-90", "upper-65", "upper-63")
    spans = {name: [(g[0], g[-1]) for g in KNOWN[name].spans(KNOWN[name].points)] for name in KNOWN}
    assert spans["mediapipe-75"] == [(11, 16), (33, 53), (54, 74)]
    assert spans["mediapipe-100"] == [(11, 16), (33, 53), (54, 74), (75, 99)]
    assert spans["upper-90"] == [(0, 22), (23, 43), (44, 64), (65, 89)]
    assert spans["upper-65"] == [(0, 22), (23, 43), (44, 64)]
    assert spans["upper-63"] == [(0, 14), (15, 35), (36, 56), (57, 62)]


def test_names() -> None:
    assert named("75") is KNOWN["mediapipe-75"] and named("100") is KNOWN["mediapipe-100"]
    assert of_count(543) == ["holistic-543", "holistic-543-api"] and of_count(48) == []
    with pytest.raises(ValueError, match="'mediapipe' is no skeleton that is known: they are"):
        named("mediapipe")


@pytest.mark.parametrize(
    ("joint_idx", "says"),
    [
        (range(63), "skeleton upper-63, of 63 keypoints and takes 9 of the right hand's 21 points"),
        (range(65), "Say skeleton: upper-65"),
        (range(23, 65), "Say skeleton: upper-65"),
        (range(90), "Say skeleton: upper-90"),
        (reversed(range(90)), "Say skeleton: upper-90"),
        ((11, 12, *range(23, 65)), "whole hands in upper-90 and upper-65"),
        ((*range(11, 17), *range(23, 65)), "whole hands in upper-90 and upper-65"),
        ((37, 41, 45), "takes 3 of the left hand's 21 points in mediapipe-75. Say which skeleton"),
        (range(133), "joint 132 is beyond the 100 keypoints of mediapipe-100"),
    ],
)
def test_joints_that_may_be_another_skeleton_s_are_refused(joint_idx: Any, says: str) -> None:
    config = small_config(joint_idx=tuple(joint_idx))
    with pytest.raises(PortError, match=says) as refused:
        configs.parse(config.model_dump(), "a.yaml")
    words = f"--joints mediapipe-75:{joints.short(config.joint_idx)}"
    assert words in str(refused.value) or max(config.joint_idx) > 99


@pytest.mark.parametrize(
    ("joint_idx", "named"),
    [
        ((37, 41, 45), "mediapipe-75"),
        (tuple(range(63)), "mediapipe-75"),
        ((33, 99), "mediapipe-100"),
        (tuple(range(133)), "own-133"),
    ],
)
def test_files_of_version_0_1_need_no_name_for_mediapipe_s(joint_idx: Any, named: str) -> None:
    old = small_config(joint_idx=joint_idx)
    plain = old.model_dump()
    assert "skeleton" not in plain and configs.parse(plain, "a.h5", ours=True) == old
    assert old.whole_skeleton.name == named
    again = configs.parse(old.explicit.model_dump(), "a.yaml")
    assert again.whole_skeleton == old.whole_skeleton and again.skeleton is not None
    assert again.keypoints == old.keypoints == 1 + max(joint_idx)


def test_a_default_skeleton_is_not_written() -> None:
    config = small_config(joint_idx=POSE_HANDS, skeleton="mediapipe-75")
    assert config == small_config(joint_idx=POSE_HANDS)
    assert config.skeleton is None and "skeleton" not in config.model_dump()
    assert config.whole_skeleton == KNOWN["mediapipe-75"] and config.keypoints == 75
    assert small_config(joint_idx=(0, 75)).whole_skeleton == KNOWN["mediapipe-100"]


@pytest.mark.parametrize(
    ("skeleton", "joint_idx"),
    [
        ("mediapipe-75", tuple(range(63))),
        ("mediapipe-100", POSE_HANDS),
        ("upper-90", tuple(range(90))),
        ("upper-65", tuple(range(23, 65))),
        (OWN, tuple(range(48))),
    ],
)
def test_a_skeleton_that_is_not_the_default_is_kept(skeleton: Any, joint_idx: Any) -> None:
    config = small_config(joint_idx=joint_idx, skeleton=skeleton)
    kept = config.model_dump(mode="json")
    assert configs.parse(kept, "again") == config
    points = skeleton["points"] if isinstance(skeleton, dict) else KNOWN[skeleton].points
    assert config.whole_skeleton.points == points
    assert config.keypoints == (63 if skeleton == "mediapipe-75" else points)
    assert config.replace(layout="selected").keypoints == len(joint_idx)


def test_what_counts_is_the_skeleton_s_unless_the_config_says() -> None:
    assert small_config().count_missing
    upper = {"skeleton": "upper-63", "joint_idx": tuple(range(63))}
    assert not small_config(**upper).count_missing
    assert small_config(**upper, count_missing=True).count_missing
    assert not small_config(joint_idx=POSE_HANDS, count_missing=False).count_missing


@pytest.mark.parametrize(
    ("skeleton", "says"),
    [
        ("upper-64", "'upper-64' is no skeleton that is known"),
        ("holistic-543", "a model reads it through a selection"),
        ("wholebody-133", "has no groups to normalize"),
        ("upper-63", "joint 74 is beyond the 63 points of upper-63"),
        (5, "skeleton is a name, or has points, groups"),
        ({"points": 75}, "groups has a range by name"),
        ({"points": 0, "groups": {"a": "0-1"}}, "points is the number of points"),
        ({"points": 75, "groups": {"a": "1-80"}}, "group a is not within its 75 points"),
        ({"points": 75, "groups": {"a": "5-1"}}, "group a is not within its 75 points"),
        ({"points": 75, "groups": {"a": [1, 3]}}, "group a is a range, such as 33-53"),
        ({"points": 75, "groups": {"a": "0-5", "b": "5-9"}}, "groups overlap"),
        ({"points": 75, "groups": {"a": "0-5"}, "name": "upper-63"}, "name is a word of its own"),
        ({"points": 75, "groups": {"a": "0-5"}, "hands": 3}, "skeleton is a name, or has points"),
    ],
)
def test_skeletons_that_cannot_be(skeleton: Any, says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        small_config(joint_idx=POSE_HANDS, skeleton=skeleton)
    assert says in str(refused.value)


def test_a_skeleton_of_its_own() -> None:
    skeleton = model_skeleton.of_model(OWN, range(48))
    assert (skeleton.name, skeleton.points) == ("own-48", 48)
    assert [(g[0], g[-1]) for g in skeleton.spans(48)] == [(0, 5), (6, 26), (27, 47)]
    assert skeleton.hands["left hand"] == list(range(6, 27))
    listed = {"points": 48, "groups": {"left_hand": list(range(6, 27))}, "name": "mine"}
    assert model_skeleton.of_model(listed, (6,)).groups == {"left hand": (6, 27)}
    assert not set(skeleton.sources) & set(KNOWN["mediapipe-75"].sources), "its points are unknown"


def test_the_published_config_of_90_joints() -> None:
    config, hundred = configs.named("arabic-asl-90"), configs.named("arabic-asl")
    other = {"joint_idx": tuple(range(90)), "skeleton": "upper-90", "count_missing": False}
    assert config == hundred.replace(**other)


def test_a_file_says_it_in_yaml(tmp_path: Any) -> None:
    plain = small_config().model_dump(exclude={"joint_idx", "training", "count_missing"})
    text = "".join(f"{key}: {value}\n" for key, value in plain.items())
    (tmp_path / "own.yaml").write_text(
        f"{text}joint_idx: [0, 6, 7]\nskeleton:\n  points: 48\n  groups:\n    body: 0-5\n"
        "    left hand: 6-26\n    right hand: 27-47\n"
    )
    assert configs.load(tmp_path / "own.yaml").whole_skeleton.points == 48
    (tmp_path / "cut.yaml").write_text(f"{text}joint_idx: [0, 34]\n")
    with pytest.raises(PortError, match=r"cut\.yaml: joint_idx 0,34 takes 1 of the left"):
        configs.load(tmp_path / "cut.yaml")
