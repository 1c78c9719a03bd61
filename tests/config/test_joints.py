"""Selections of keypoints: their names, and their short form on the command line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbart_port.config import joints

POSE_HANDS = (11, 12, 13, 14, 15, 16, *range(33, 75))


def test_named_joints_have_the_published_numbers():
    assert joints.NAMED["pose_hands"] == POSE_HANDS
    assert {name: len(listed) for name, listed in joints.NAMED.items()} == {
        "hands_only": 42,
        "pose_hands": 48,
        "full_75": 75,
        "full_100": 100,
    }
    assert joints.NAMED["hands_only"] == tuple(range(33, 75))


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("pose_hands", POSE_HANDS),
        ("11-16,33-74", POSE_HANDS),
        ("11-16, 33-74 ", POSE_HANDS),
        ("5", (5,)),
        ("7-7", (7,)),
        ("3,2,1", (3, 2, 1)),
        ("1,1-2", (1, 1, 2)),
        ("0-2,9,4-5", (0, 1, 2, 9, 4, 5)),
    ],
)
def test_joints_are_read_from_text(text, listed):
    assert joints.parse(text) == listed


@pytest.mark.parametrize(
    "text", ["", "a", "1-", "-1", "2-1", "1,,2", "1;2", "1.5", "0x10", "pose-hands", "1" * 6, "1 2"]
)
def test_other_text_is_no_joints(text):
    with pytest.raises(ValueError, match=r"joints are a name .* or numbers such as 11-16,33-74"):
        joints.parse(text)


def test_more_joints_than_any_skeleton_has():
    assert len(joints.parse("0-9999")) == 10_000
    with pytest.raises(ValueError, match="10,001 joints are more"):
        joints.parse("0-9999,3," + "0-99999," * 1000 + "4")


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(
    st.one_of(
        st.lists(st.integers(0, 99_999), min_size=1, max_size=40),
        st.lists(st.integers(0, 12), min_size=1, max_size=40),
        st.sampled_from([list(named) for named in joints.NAMED.values()]),
    )
)
def test_the_short_form_of_joints_inverts(listed):
    assert joints.parse(joints.short(listed)) == tuple(listed)


def test_the_short_form_is_short():
    assert joints.short(POSE_HANDS) == "pose_hands"
    assert joints.short(range(90)) == "0-89"
    assert joints.short([0, 1, 2, 9, 4, 5, 5]) == "0-2,9,4-5,5"
