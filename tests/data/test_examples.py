"""Clips for training, prepared once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from signbart_port.data import preprocessing
from signbart_port.data.dataset import Clips, Entry, load, open_dataset
from signbart_port.data.examples import Examples, Preparation, make_examples
from signbart_port.errors import PortError
from tests.support.datasets import Folder, a_clip, held
from tests.support.small_models import small_config

CONFIG = small_config(max_position_embeddings=64)
LENGTHS = (3, 64, 65, 100, 1)


def clips_of(lengths: tuple[int, ...], points: int = 75) -> Clips:
    entries = [
        Entry(Path(f"train/cat/user{number % 2:02}_G01_R{number}.pkl"), "cat", number, "train")
        for number in range(len(lengths))
    ]
    clips = [a_clip(seed, length, points) for seed, length in enumerate(lengths)]
    return Clips(tuple(entries), held(clips))


@pytest.fixture
def examples() -> Examples:
    return make_examples(clips_of(LENGTHS), CONFIG)


@pytest.mark.parametrize("missing_count", [True, False])
def test_prepared_clips_are_what_a_model_reads(missing_count: bool) -> None:
    """All of them in one go give what `prepare` gives of each."""
    clips = clips_of(LENGTHS)
    for clip in clips.keypoints:
        clip[:, 40] = 0
        clip[0, 12] = np.nan
        clip[-1, 20] = 1.5
    config = CONFIG.replace(count_missing=missing_count)
    prepared = make_examples(clips, config).prepared
    for got, raw in zip(prepared, clips.keypoints, strict=True):
        expected = preprocessing.prepare(raw, count_missing=missing_count)
        np.testing.assert_array_equal(got, expected)
    picked = make_examples(clips, config.replace(layout="selected")).prepared
    for got, whole in zip(picked, prepared, strict=True):
        np.testing.assert_array_equal(got, whole[:, list(config.joint_idx)])


def test_augmentation_gets_them_clipped_and_shortened(examples: Examples) -> None:
    assert [len(clip) for clip in examples.clips] == [3, 64, 64, 64, 1]
    raw = clips_of((3,)).keypoints[0]
    raw[0, 12], raw[1, 12] = (np.inf, 0.5), (-1, 2)
    (clip,) = make_examples(Clips(clips_of((3,)).entries, held([raw])), CONFIG).clips
    assert clip.dtype == np.float32
    assert (clip[0, 12].tolist(), clip[1, 12].tolist()) == ([0, 0], [0, 1])
    np.testing.assert_array_equal(clip[2], raw[2])


def test_a_clip_is_no_longer_than_the_model_has_positions() -> None:
    short = make_examples(clips_of(LENGTHS), CONFIG.replace(max_position_embeddings=16))
    assert short.lengths.tolist() == [3, 16, 16, 16, 1]
    assert [len(clip) for clip in short.prepared] == [3, 16, 16, 16, 1]


def test_some_of_them(examples: Examples) -> None:
    assert (len(examples), examples.targets.tolist()) == (5, [0, 1, 2, 3, 4])
    odd = examples.where(lambda entry: entry.id % 2 == 1)
    assert odd.targets.tolist() == [1, 3]
    for number, place in enumerate((1, 3)):
        assert odd.entries[number] is examples.entries[place]
        assert odd.clips[number] is examples.clips[place]
        assert odd.prepared[number] is examples.prepared[place]
    assert examples.pick(np.array([4, 0])).targets.tolist() == [4, 0]
    assert len(examples.where(lambda entry: False)) == 0


def test_too_few_joints_are_refused_by_file(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "signs", {"cat": 0})
    path = folder.put("train/cat/1", a_clip(0, points=74))
    with pytest.raises(PortError) as refused:
        make_examples(load(open_dataset(folder.root).entries), CONFIG)
    said = f"{path}: 74 keypoints a frame: the model reads mediapipe-75, of 75. No known skeleton"
    assert str(refused.value).startswith(said)
    face = small_config(joint_idx=(0, 99))
    with pytest.raises(
        PortError, match="75 keypoints a frame: the model reads mediapipe-100, of 100"
    ):
        make_examples(clips_of((3,)), face)
    assert len(make_examples(clips_of((3,), points=100), face)) == 1


def test_no_clips_are_prepared_to_none() -> None:
    assert Preparation(CONFIG)([]) == []
