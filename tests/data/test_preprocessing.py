"""The preparation of clips: against the published code's recorded output, and step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from bench_preprocessing import prepare_by_loops
from signbart_port.data import preprocessing
from signbart_port.data.preprocessing import Floats, clip, normalize, pad, prepare, shorten

LEFT, RIGHT = slice(33, 54), slice(54, 75)


def a_clip(seed: int, frames: int = 5, joints: int = 75) -> Floats:
    """Keypoints of which a third are missing, and one hand in one frame."""
    rng = np.random.default_rng(seed)
    keypoints = rng.random((frames, joints, 2), dtype=np.float32)
    keypoints[rng.random((frames, joints)) < 1 / 3] = 0
    keypoints[1, LEFT] = 0
    return keypoints


def test_real_clips_come_out_as_the_published_code_prepared_them(shared_data: Path) -> None:
    with np.load(shared_data / "arabic-asl.npz") as data:
        clips = np.split(data["keypoints"], np.cumsum(data["lengths"])[:-1])
        raw = dict(zip(data["names"], clips, strict=True))
    with np.load(shared_data / "user08.expected.npz") as expected:
        keypoints, mask = pad([prepare(raw[name][:, :75]) for name in expected["names"]], 64)
        np.testing.assert_allclose(keypoints, expected["keypoints"], rtol=0, atol=1e-6)
        np.testing.assert_array_equal(mask, expected["attention_mask"])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_clipping_keeps_x_and_y_in_the_picture(dtype: str) -> None:
    clipped = clip(np.array([[[-0.5, 0.25, 9], [1.5, 1, 9]]], dtype))
    assert clipped.dtype == np.float32
    assert clipped.tolist() == [[[0, 0.25], [1, 1]]]


@pytest.mark.parametrize("frames", [0, 1, 63, 64])
def test_short_clips_keep_every_frame(frames: int) -> None:
    keypoints = a_clip(0, 64)[:frames]
    np.testing.assert_array_equal(shorten(keypoints), keypoints)


@pytest.mark.parametrize("frames", [65, 100, 1000])
def test_long_clips_keep_64_frames_evenly_chosen(frames: int) -> None:
    keypoints = np.arange(frames, dtype=np.float32)[:, None, None] * np.ones((75, 2), np.float32)
    kept = [int(k * (frames - 1) / 63 + 1e-9) for k in range(64)]
    np.testing.assert_array_equal(shorten(keypoints)[:, 0, 0], kept)
    assert kept[-1] == frames - 1


@pytest.mark.parametrize("count_missing", [True, False])
@pytest.mark.parametrize("joints", [75, 90, 100])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_it_is_the_specification_loop_by_loop(count_missing: bool, joints: int, dtype: str) -> None:
    rng = np.random.default_rng(joints)
    keypoints = rng.uniform(-0.3, 1.3, (70, joints, 3))
    keypoints[rng.random((70, joints)) < 1 / 3] = 0
    keypoints[10:20, LEFT] = 0  # no hand
    keypoints[15:25, RIGHT] = 0
    keypoints[17] = 0  # nobody
    keypoints[30:40, LEFT] = (0.5, 0.25, 9)  # a box without sides
    keypoints[40:50, RIGHT] *= (0.2, 1, 1)  # a narrow one
    keypoints[50:60, RIGHT] = (0, 0.5, 9)  # on the edge of the picture, and not missing
    keypoints[60, 11:17] = (1.2, -3, 0)  # beyond its corner
    keypoints[61, 40], keypoints[62, 60, 1], keypoints[63] = np.inf, np.nan, -np.inf
    keypoints = keypoints.astype(dtype)
    found = prepare(keypoints, count_missing=count_missing)
    expected = prepare_by_loops(keypoints, count_missing=count_missing)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert found.shape == (64, joints, 2) and found.dtype == np.float32


@pytest.mark.parametrize("count_missing", [True, False])
@pytest.mark.parametrize("joints", [75, 100])
def test_real_clips_are_prepared_as_the_loops_do(
    shared_data: Path, count_missing: bool, joints: int
) -> None:
    with np.load(shared_data / "arabic-asl.npz") as data:
        clips = np.split(data["keypoints"], np.cumsum(data["lengths"])[:-1])[::48]
    for one in clips:
        found = prepare(one[:, :joints], count_missing=count_missing)
        expected = prepare_by_loops(one[:, :joints], count_missing=count_missing)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_point_that_is_not_finite_is_a_missing_one(wrong: float, axis: int) -> None:
    """Both of its coordinates, in both variants; its neighbors are as without it."""
    broken, missing = (a_clip(0).astype(np.float64) for _ in range(2))
    broken[2, 40, axis], missing[2, 40] = wrong, 0
    np.testing.assert_array_equal(clip(broken), clip(missing))
    for count_missing in (True, False):
        np.testing.assert_array_equal(
            prepare(broken, count_missing=count_missing),
            prepare(missing, count_missing=count_missing),
        )


def test_missing_points_stay_missing_and_move_the_box_only_where_counted() -> None:
    keypoints = 0.5 + a_clip(0) / 2
    keypoints[a_clip(0) == 0] = 0
    counted, left_out = prepare(keypoints), prepare(keypoints, count_missing=False)
    missing = ~keypoints.any(axis=-1)
    assert not counted[missing].any() and not left_out[missing].any()
    hand = ~missing[0, LEFT]
    assert counted[0, LEFT][hand].min() >= 0.4
    assert left_out[0, LEFT][hand].min() < 0.1


@pytest.mark.parametrize("count_missing", [True, False])
def test_padding_before_and_after_normalizing_is_the_same(count_missing: bool) -> None:
    clips = [a_clip(0, 3), a_clip(1, 5)]
    before, mask = pad(clips)
    after, same = pad([normalize(one, count_missing=count_missing) for one in clips])
    np.testing.assert_array_equal(normalize(before, count_missing=count_missing), after)
    np.testing.assert_array_equal(mask, same)
    assert mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert mask.dtype == before.dtype == np.float32
    assert not before[0, 3:].any()


def test_preparing_does_every_step() -> None:
    keypoints = 2 * a_clip(0, 100) - 0.2
    steps = normalize(shorten(clip(keypoints)))
    np.testing.assert_array_equal(prepare(keypoints), steps)
    assert steps.shape == (64, 75, 2)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("frames", [5, 64, 70])
def test_the_input_is_left_as_it_was(order: Literal["C", "F"], frames: int) -> None:
    keypoints = np.array(a_clip(0, frames), order=order)
    keypoints[0, 0, 0] = np.nan
    before = keypoints.copy()
    prepare(keypoints)
    normalize(keypoints)
    clip(keypoints)
    np.testing.assert_array_equal(keypoints, before)


def test_a_clip_longer_than_the_batch_is_refused() -> None:
    with pytest.raises(ValueError):
        pad([a_clip(0, 5)], 4)


def test_selected_joints_are_refused_as_groups_go_by_number() -> None:
    with pytest.raises(ValueError, match="48 keypoints"):
        prepare(a_clip(0)[:, :48])
    assert preprocessing.MOST_FRAMES == 64
