"""Datasets: what is listed, in which order, and which samples are bad."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from signbart_port.data import dataset as reading
from signbart_port.data.dataset import Dataset, load, open_dataset
from signbart_port.errors import PortError
from tests.support.datasets import Folder, a_clip
from tests.support.running import run_python


def names(dataset: Dataset) -> list[str]:
    return [entry.path.relative_to(dataset.root).as_posix() for entry in dataset.entries]


def test_it_is_listed_by_split_id_and_name(folder: Folder) -> None:
    folder.put("val/ant/z", a_clip(9))
    dataset = open_dataset(folder.root)
    assert dataset.labels == ("cat", "ant") and dataset.splits == ("train", "val", "test")
    assert names(dataset) == [
        "train/cat/a.pkl", "train/cat/b.pkl", "train/ant/1.pkl",
        "val/ant/z.pkl", "test/cat/c.pkl", "test/ant/2.pkl",
    ]  # fmt: skip
    assert [(e.label, e.id) for e in dataset.split("test")] == [("cat", 0), ("ant", 1)]
    with pytest.raises(PortError, match=r'no samples in "all"\. It has train, val and test'):
        dataset.split("all")


def test_other_files_are_listed_apart_and_hidden_ones_passed_over(folder: Folder) -> None:
    others = ["train/notes.txt", "train/cat/cat.mp4", "test/ant/README"]
    for name in (*others, "train/.DS_Store", "test/cat/.c.pkl", "more.txt"):
        (folder.root / name).write_text("")
    (folder.root / "train/.cache").mkdir()
    (folder.root / "train/__MACOSX").mkdir()
    (folder.root / "train/cat/__MACOSX").mkdir()
    (folder.root / "videos/cat").mkdir(parents=True)
    (folder.root / "train/empty").mkdir()
    folder.write("label2id.json", {"cat": 0, "ant": 1, "empty": 2})
    dataset = open_dataset(folder.root)
    assert len(dataset.entries) == 5
    assert {path.relative_to(folder.root).as_posix() for path in dataset.others} == set(others)


def test_every_kind_of_sample_is_read(folder: Folder) -> None:
    np.savez(folder.root / "train/cat/d.npz", keypoints=a_clip(7))
    np.save(folder.root / "train/cat/e.NPY", a_clip(8))
    (folder.root / "train/cat/e.NPY.npy").rename(folder.root / "train/cat/e.NPY")
    (folder.root / "train/ant/1.pkl").rename(folder.root / "train/ant/1.pickle")
    dataset = open_dataset(folder.root)
    clips = load(dataset.split("train"))
    assert clips.entries == dataset.split("train") and clips.bad == ()
    assert [len(keypoints) for keypoints in clips.keypoints] == [5, 4, 5, 5, 3]
    np.testing.assert_array_equal(clips.keypoints[2], a_clip(7))
    np.testing.assert_array_equal(clips.keypoints[3], a_clip(8))


@pytest.mark.parametrize("name", ["valid", "validation", "dev", "Dev", "VAL"])
def test_other_names_of_val(folder: Folder, name: str) -> None:
    assert open_dataset(folder.root).notes == ()
    folder.put(f"{name}/ant/z", a_clip(9))
    (folder.root / "val").mkdir()  # without clips
    dataset = open_dataset(folder.root)
    assert dataset.splits == ("train", "val", "test")
    assert [e.path for e in dataset.split("val")] == [folder.root / name / "ant/z.pkl"]
    assert dataset.notes == (
        f"{name} is read as val",
        "not read, no split: val; splits are train, val, test and all",
    )


def test_two_folders_of_one_split_are_refused(folder: Folder) -> None:
    for name in ("dev", "val"):
        folder.put(f"{name}/ant/z", a_clip(9))
    with pytest.raises(PortError, match=r"has dev and val, which are names of one split\. Put"):
        open_dataset(folder.root)


def test_folders_that_are_read_by_nothing_are_named(folder: Folder) -> None:
    for name in (".cache", "__MACOSX", "train/__MACOSX", "train/cat/__MACOSX", "train/@eaDir"):
        (folder.root / name).mkdir()
        (folder.root / name / "._a.pkl").write_text("")
    assert open_dataset(folder.root).notes == ()
    for name in ("Vals", "more", "training"):
        folder.put(f"{name}/ant/z", a_clip(9))
    assert open_dataset(folder.root).notes == (
        "not read, no split: Vals, more, training; splits are train, val, test and all",
    )


def test_folders_alone_that_are_no_splits_are_named_in_the_refusal(tmp_path: Path) -> None:
    made = Folder(tmp_path / "signs", {"cat": 0})
    for name in ("Training", "cat"):
        made.put(f"{name}/cat/1", a_clip(0))
    with pytest.raises(PortError, match=r"val, test and all; it has Training, cat\. They"):
        open_dataset(made.root)


def test_names_are_compared_in_one_form_of_unicode(tmp_path: Path) -> None:
    composed, decomposed = "été", "e\u0301te\u0301"
    for label, name in ((composed, decomposed), (decomposed, composed)):
        made = Folder(tmp_path / f"signs{len(label)}", {label: 0, "b": 1})
        made.put(f"train/{name}/1", a_clip(0), label=label)
        made.put(f"train/{name}/2", a_clip(1), label=name)
        made.put("train/b/1", a_clip(2))
        dataset = open_dataset(made.root)
        assert [(e.label, e.id) for e in dataset.entries] == [(label, 0), (label, 0), ("b", 1)]
        assert len(load(dataset.entries).entries) == 3
        (note,) = dataset.notes
        assert note.startswith(
            "class folders in another form of Unicode than in label2id.json, taken"
        )
    with pytest.raises(PortError, match=r"ete: is no class"):
        made.put("train/ete/1", a_clip(0))
        open_dataset(made.root)


def test_json_files_are_samples_where_there_are_no_others(tmp_path: Path) -> None:
    made = Folder(tmp_path / "signs", {"cat": 0})
    clip = made.put("train/cat/1", a_clip(0)).with_suffix(".json")
    clip.write_text(json.dumps({"keypoints": a_clip(1).tolist(), "class": "cat"}))
    dataset = open_dataset(made.root)
    assert names(dataset) == ["train/cat/1.pkl"] and dataset.others == (clip,)
    clip.with_suffix(".pkl").unlink()
    dataset = open_dataset(made.root)
    assert names(dataset) == ["train/cat/1.json"] and dataset.others == ()
    np.testing.assert_array_equal(load(dataset.entries).keypoints[0], a_clip(1))


def test_a_class_that_is_a_number_in_the_sample(tmp_path: Path) -> None:
    made = Folder(tmp_path / "signs", {"1": 0, "2": 1})
    path = made.put("train/1/a", a_clip(0))
    path.write_bytes(pickle.dumps({"keypoints": a_clip(0), "class": 1}))
    assert len(load(open_dataset(made.root).entries).entries) == 1
    path.write_bytes(pickle.dumps({"keypoints": a_clip(0), "class": 2}))
    with pytest.raises(PortError, match='class is "2", its folder is 1'):
        load(open_dataset(made.root).entries)


def test_a_folder_that_is_no_class(folder: Folder) -> None:
    folder.put("test/dog/1", a_clip(0))
    with pytest.raises(PortError, match=r"test/dog: is no class: label2id\.json does not have it"):
        open_dataset(folder.root)


def test_folders_that_are_no_dataset(folder: Folder, tmp_path: Path) -> None:
    for path, words in (
        (tmp_path / "nothing", "does not exist"),
        (folder.root / "label2id.json", "is not a folder"),
        (folder.root / "train", "is not a dataset: it has no label2id.json"),
    ):
        with pytest.raises(PortError, match=words):
            open_dataset(path)
    empty = Folder(tmp_path / "empty", {"cat": 0})
    (empty.root / "train/cat").mkdir(parents=True)
    with pytest.raises(
        PortError, match=r"has no samples: no \.pkl, .* in train, val, test and all"
    ):
        open_dataset(empty.root)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(folder: Folder) -> None:
    (folder.root / "train/cat").chmod(0)
    try:
        with pytest.raises(PortError, match="cannot be opened: Permission denied"):
            open_dataset(folder.root)
    finally:
        (folder.root / "train/cat").chmod(0o700)


def spoiled(folder: Folder) -> dict[Path, str]:
    """What is wrong with each sample that is put into the dataset."""
    broken = folder.put("train/cat/broken", a_clip(0))
    broken.write_bytes(broken.read_bytes()[:-100])
    return {
        broken: "is damaged or truncated",
        folder.put("train/ant/stranger", a_clip(0), "cat"): (
            'class is "cat", its folder is ant. Move it to the folder of its class'
        ),
        folder.put("test/ant/short", a_clip(0, points=74)): "has 74 points a frame, most of the",
    }


def test_the_first_bad_sample_ends_it(folder: Folder) -> None:
    for path, words in spoiled(folder).items():
        with pytest.raises(PortError, match=words) as caught:
            load(open_dataset(folder.root).entries)
        assert caught.value.path == path
        path.unlink()
    assert len(load(open_dataset(folder.root).entries).entries) == 5


def test_bad_samples_are_left_out_and_listed(folder: Folder) -> None:
    good = open_dataset(folder.root).entries
    expected = spoiled(folder)
    clips = load(open_dataset(folder.root).entries, skip_bad=True)
    assert clips.entries == good
    assert [bad.entry.path for bad in clips.bad] == list(expected)
    for bad in clips.bad:
        assert expected[bad.entry.path] in bad.why
    for entry, keypoints in zip(clips.entries, clips.keypoints, strict=True):
        np.testing.assert_array_equal(keypoints, load([entry]).keypoints[0])


def test_nothing_but_bad_samples(folder: Folder) -> None:
    for entry in open_dataset(folder.root).entries:
        entry.path.write_text("")
    with pytest.raises(PortError, match=r"is an empty file.*None of 5 samples can be used"):
        load(open_dataset(folder.root).entries, skip_bad=True)


def test_no_samples_to_load() -> None:
    assert len(load([]).keypoints) == 0


def test_clips_beyond_the_room_are_read_again(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = open_dataset(folder.root).entries
    expected = list(load(entries).keypoints)
    monkeypatch.setattr(reading, "ROOM", sum(clip.nbytes for clip in expected[:2]))
    found = load(entries).keypoints
    assert found.shapes == [clip.shape for clip in expected]
    for got, clip in zip(found, expected, strict=True):
        np.testing.assert_array_equal(got, clip)
    for entry in entries:
        np.savez(entry.path.with_suffix(".npz"), keypoints=a_clip(9, 50))
        entry.path.with_suffix(".npz").rename(entry.path)
    for got, clip in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_array_equal(got, clip)
    with pytest.raises(PortError, match=r"was changed while it was in use\. Run it again"):
        found[2]


def test_reading_imports_numpy_alone(folder: Folder) -> None:
    code = """
import sys
from signbart_port.data.dataset import load, open_dataset
load(open_dataset(sys.argv[1]).entries)
heavy = {"torch", "tensorflow", "keras", "h5py", "pydantic", "rich", "typer", "ai_edge_litert"}
print(sorted(heavy & set(sys.modules)))
"""
    assert run_python(code, folder.root).strip() == "[]"


@pytest.mark.release
def test_real_clips_come_back_as_they_were(shared_data: Path, tmp_path: Path) -> None:
    expand = [sys.executable, shared_data / "expand.py", tmp_path / "real", "--holdout", "user08"]
    subprocess.run(expand, check=True, capture_output=True)
    with np.load(shared_data / "arabic-asl.npz") as data:
        clips = np.split(data["keypoints"], np.cumsum(data["lengths"])[:-1])
        raw = dict(zip(data["names"], clips, strict=True))
    found = load(open_dataset(tmp_path / "real").entries)
    assert len(found.entries) == len(raw)
    for entry, keypoints in zip(found.entries, found.keypoints, strict=True):
        np.testing.assert_array_equal(keypoints, raw[entry.path.stem][:, :75])
        assert entry.split == ("test" if "user08" in entry.path.stem else "train")
