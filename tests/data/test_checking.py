"""The figures of a dataset, each against a dataset made to have it."""

from __future__ import annotations

import shutil
import tracemalloc

import numpy as np
import pytest

from signbart_port.data import dataset
from signbart_port.data.checking import Lengths, check
from signbart_port.data.clip_format import ClipFormat
from signbart_port.errors import PortError
from tests.support.datasets import Folder, a_clip


def test_a_sound_dataset(folder: Folder) -> None:
    found = check(folder.root)
    assert found.labels == ("cat", "ant") and found.count == 5
    assert found.samples == {"train": (2, 1), "test": (1, 1)}
    assert found.lengths == Lengths(shortest=3, median=5.0, longest=7, over=0)
    values = found.values
    assert (values.points, values.coordinates, values.not_finite) == (75, (2,), 0)
    assert values.outside == values.missing == 0
    clips = [a_clip(seed, 3 + seed) for seed in range(5)]
    assert values.lowest == min(clip.min() for clip in clips) > 0
    assert values.highest == max(clip.max() for clip in clips) <= 1
    assert values.without == {"left hand": 0, "right hand": 0}
    assert found.bad == found.repeated == found.blank == found.others == found.warnings == ()


def test_lengths_and_coordinates(folder: Folder) -> None:
    folder.put("train/cat/long", np.concatenate([a_clip(9, 65)] * 2, axis=-1))
    folder.put("train/cat/full", a_clip(10, 64))
    found = check(folder.root)
    assert found.lengths == Lengths(shortest=3, median=6.0, longest=65, over=1)
    assert found.values.coordinates == (2, 4)


def test_shares(folder: Folder) -> None:
    """Of 25 frames in the folder, and 75 that are put there."""
    clip = a_clip(9, 75)
    clip[:50, 33:54] = 0
    clip[:25, 54:75] = 0
    clip[50:, 60] = 0  # one point, and not the hand
    clip[60:70, 0] = (1.5, -0.25)
    folder.put("train/cat/long", clip)
    values = check(folder.root).values
    assert values.without == {"left hand": 0.5, "right hand": 0.25}
    missing = 50 * 21 + 25 * 21 + 25
    assert values.missing == pytest.approx(missing / (100 * 75))
    assert values.outside == pytest.approx(20 / (2 * (100 * 75 - missing)))
    assert (values.lowest, values.highest) == (-0.25, 1.5)


def test_points_that_are_not_finite_are_missing(folder: Folder) -> None:
    clip = a_clip(9, 75)
    clip[3, 4], clip[5, 6, 1], clip[7, 33:54, 0] = np.nan, np.inf, -np.inf
    folder.put("train/cat/long", clip)
    found = check(folder.root)
    assert found.values.not_finite == 23
    assert found.values.missing == pytest.approx(23 / (100 * 75))
    assert found.values.without == {"left hand": 0.01, "right hand": 0}
    assert found.warnings == ("23 points with NaN or infinity: missing ones",)


def test_the_same_clip_again(folder: Folder) -> None:
    same, as_double = a_clip(9), a_clip(9).astype(np.float64)
    folder.put("train/cat/x", same)
    folder.put("train/cat/y", np.concatenate([as_double, as_double], axis=-1))
    found = check(folder.root)
    assert [[entry.path.stem for entry in group] for group in found.repeated] == [["x", "y"]]
    assert found.warnings == ("1 clip under more than one name",)
    folder.put("test/cat/z", same)
    assert check(folder.root).warnings == (
        "1 clip in more than one split: what tests the model has trained it",
    )
    folder.put("test/ant/w", same)
    assert check(folder.root).warnings[1:] == ("1 clip in more than one class",)


def test_the_split_all_may_hold_what_the_others_hold(folder: Folder) -> None:
    folder.put("all/cat/a", a_clip(2, 5))
    folder.put("train/cat/a", a_clip(2, 5))
    found = check(folder.root)
    assert found.warnings == () and found.samples["all"] == (1, 0)
    folder.put("all/cat/b", a_clip(2, 5))
    assert check(folder.root).warnings == ("1 clip under more than one name",)
    folder.write("label2id.json", {"cat": 0, "ant": 1, "dog": 2})
    folder.put("all/dog/1", a_clip(9))
    folder.put("train/dog/1", a_clip(9))
    assert check(folder.root).warnings[1:] == ("samples in train alone of 1 class: dog",)


def test_clips_without_any_point(folder: Folder) -> None:
    for name in ("train/cat/x", "test/cat/y"):
        folder.put(name, np.zeros((5, 75, 2)))
    found = check(folder.root)
    assert [entry.path.stem for entry in found.blank] == ["x", "y"]
    assert found.repeated == () and found.warnings == ("2 of 7 clips have no point in any frame",)


def test_classes_that_miss(folder: Folder) -> None:
    labels = {"cat": 0, "ant": 1, "dog": 2, "bee": 3} | {f"more{n}": 4 + n for n in range(8)}
    folder.write("label2id.json", labels)
    folder.put("train/dog/1", a_clip(9))
    folder.put("test/bee/1", a_clip(10))
    assert check(folder.root).warnings == (
        "no samples at all of 8 classes: more0, more1, more2, more3, more4, more5, ...",
        "samples in train alone of 1 class: dog",
        "samples in test alone of 1 class: bee",
    )


def test_a_single_split_is_nothing_to_warn_of(folder: Folder) -> None:
    shutil.rmtree(folder.root / "test")
    assert check(folder.root).warnings == ()


def test_what_was_taken_for_what_is_a_warning(folder: Folder) -> None:
    (folder.root / "test").rename(folder.root / "dev")
    (folder.root / "videos").mkdir()
    masked = np.ma.masked_array(a_clip(7), np.zeros((5, 75, 2), bool))
    masked.mask[:, 3] = True
    for name in ("x", "y", "z"):
        folder.put(f"train/cat/{name}", masked + np.float32(ord(name) / 1000))
    x = folder.root / "train/cat/x.pkl"
    assert check(folder.root).warnings == (
        "dev is read as val",
        "not read, no split: videos; splits are train, val, test and all",
        f"{x}: 5 of 375 points are masked: missing ones",
        "2 more notes like it",
    )


@pytest.mark.parametrize(
    ("points", "says"),
    [
        (48, "No known skeleton has 48: mediapipe-75, "),
        (90, "If they are upper-90, say so: --skeleton upper-90"),
        (133, "If they are wholebody-133, say so"),
        (543, "If they are holistic-543 or holistic-543-api, say so"),
    ],
)
def test_other_skeletons(folder: Folder, points: int, says: str) -> None:
    emptied(folder)
    folder.put("all/cat/1", a_clip(0, points=points))
    folder.put("all/ant/1", a_clip(1, points=points))
    found = check(folder.root)
    assert found.values.points == points and found.values.without == {}
    (warning,) = found.warnings
    assert warning.startswith(f"{points} points a frame are not mediapipe-75") and says in warning


def test_a_skeleton_that_is_named(folder: Folder) -> None:
    emptied(folder)
    clip, other = a_clip(0, points=90), a_clip(1, points=90)
    for one in (clip, other):
        one[:, [23, 44]] = one[:, [15, 16]]  # hands are at their wrists
    clip[:, 23:44] = 0
    folder.put("all/cat/1", clip)
    folder.put("all/ant/1", other)
    found = check(folder.root, ClipFormat("upper-90"))
    assert found.values.without == {"left hand": 0.5, "right hand": 0}
    assert found.warnings == ("1 of 2 clips have no left hand in any frame",)
    with pytest.raises(
        PortError, match=r"has 90 points a frame, wholebody-133 133\. If they are upper"
    ):
        check(folder.root, ClipFormat("wholebody-133"))


def test_pixels_are_bad_unless_the_frame_is_known(folder: Folder) -> None:
    folder.put("train/cat/pixels", 640 * a_clip(9))
    found = check(folder.root)
    (bad,) = found.bad
    assert bad.entry.path.stem == "pixels"
    assert bad.why.startswith("100% of its coordinates are outside [0, 1]")
    assert "pixels" in bad.why and bad.why.endswith("give --frame-size W,H")
    emptied(folder)
    for number, label in enumerate(("cat", "ant")):
        folder.put(f"all/{label}/1", a_clip(number) * np.float32([1280, 720]))
    found = check(folder.root, ClipFormat(frame_size=(1280, 720)))
    assert found.bad == found.warnings == () and 0.9 < found.values.highest <= 1


def emptied(folder: Folder) -> None:
    for path in folder.root.rglob("*.pkl"):
        path.unlink()


def test_bad_samples_are_listed_and_left_out_of_the_figures(folder: Folder) -> None:
    before = check(folder.root)
    folder.put("train/cat/x", np.full((500, 75, 2), 9.0), "ant")
    folder.put("train/cat/y", np.zeros((0, 75, 2)))
    found = check(folder.root)
    assert [bad.entry.path.stem for bad in found.bad] == ["x", "y"]
    assert (found.samples, found.lengths, found.values) == (
        before.samples, before.lengths, before.values,
    )  # fmt: skip


def test_nothing_to_check(folder: Folder) -> None:
    for path in folder.root.rglob("*.pkl"):
        path.write_text("")
    with pytest.raises(PortError, match="None of 5 samples can be used"):
        check(folder.root)


def test_memory_is_bounded(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """One clip is looked at after the other: what is held is the first ones, as they are stored."""
    stored = 0
    monkeypatch.setattr(dataset, "ROOM", 2_000_000)
    for number in range(20):
        path = folder.put(f"all/cat/{number}", a_clip(number, 2000).astype(np.float32))
        stored += path.stat().st_size
    tracemalloc.start()
    try:
        check(folder.root)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert stored > 20_000_000 > 2 * peak
