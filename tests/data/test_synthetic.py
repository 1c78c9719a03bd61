"""Synthetic datasets: what they hold, that they can be learned, and that they are whole or not
there."""

from __future__ import annotations

import errno
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from signbart_port.config import joints
from signbart_port.data import synthetic
from signbart_port.data.checking import check
from signbart_port.data.dataset import load, open_dataset
from signbart_port.data.preprocessing import prepare
from signbart_port.data.synthetic import writing
from signbart_port.data.synthetic.invention import signs
from signbart_port.data.synthetic.signs import SIGNS
from signbart_port.errors import PortError
from signbart_port.system.atomic_folder import appearing


def content(root: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


# The signs


def test_the_first_ten_signs_are_made_by_hand_and_the_others_are_always_the_same() -> None:
    many = signs(40)
    assert many[:10] == SIGNS and signs(3) == SIGNS[:3]
    assert signs(17) == many[:17]
    assert len({sign.name for sign in many}) == 40
    assert [sign.name for sign in many[10:12]] == ["sign-11", "sign-12"]


def test_a_held_out_signer_s_signs_are_told_apart_by_their_neighbors(tmp_path: Path) -> None:
    """So there is something to learn, in the invented signs too: the nearest of the others' clips,
    as the model reads them and all of one length, has the same class (chance: 1 in 20)."""
    synthetic.write(tmp_path / "signs", signers=8, classes=20, repetitions=2)
    dataset = open_dataset(tmp_path / "signs")
    seen, ids = {}, {}
    for split in ("train", "test"):
        clips = load(dataset.split(split))
        frames = [np.linspace(0, len(clip) - 1, 16).astype(int) for clip in clips.keypoints]
        read = [prepare(clip[f]) for clip, f in zip(clips.keypoints, frames, strict=True)]
        seen[split] = np.array(read)[:, :, joints.NAMED["pose_hands"]].reshape(len(read), -1)
        ids[split] = np.array([entry.id for entry in clips.entries])
    apart = [np.square(seen["train"] - clip).sum(axis=1).argmin() for clip in seen["test"]]
    assert len(apart) == 40
    assert np.mean(ids["train"][apart] == ids["test"]) >= 0.9


# The dataset


def test_it_is_the_folder_that_users_have(tmp_path: Path) -> None:
    told = list[tuple[int, int]]()
    written = synthetic.write(
        tmp_path / "signs",
        signers=3,
        classes=11,
        repetitions=2,
        progress=lambda *done: told.append(done),
    )
    assert told == [(done, 66) for done in range(1, 67)]
    assert written.root == tmp_path / "signs"
    assert written.signers == {"train": ("user01", "user02"), "test": ("user03",)}
    assert written.samples == {"train": 44, "test": 22}
    dataset = open_dataset(written.root)
    assert dataset.labels == written.labels
    assert dataset.labels == tuple(f"synthetic-{sign.name}" for sign in signs(11))
    names = {(e.split, e.label, e.path.name) for e in dataset.entries}
    assert names == {
        ("test" if user == 3 else "train", label, f"user{user:02d}_G{number:02d}_R{r:02d}.pkl")
        for user in (1, 2, 3)
        for number, label in enumerate(dataset.labels, 1)
        for r in (1, 2)
    }
    ids = json.loads((written.root / "id2label.json").read_text())
    assert ids == {str(id): label for id, label in enumerate(dataset.labels)}
    assert json.loads((written.root / "label2id.json").read_text()) == {
        label: int(id) for id, label in ids.items()
    }
    sample = pickle.loads(dataset.entries[0].path.read_bytes())
    assert sample.keys() == {"keypoints", "class"} and sample["class"] == "synthetic-wave"
    assert sample["keypoints"].dtype == np.float32 and sample["keypoints"].shape[1:] == (75, 2)
    readme = (written.root / "README.md").read_text()
    assert "SYNTHETIC" in readme and "Nobody signed these clips" in readme
    assert "- `test`: 22 clips by user03" in readme
    assert "--repetitions 2 --seed 0 --holdout user03" in readme
    assert os.listdir(tmp_path) == ["signs"]


def test_the_check_finds_nothing(tmp_path: Path) -> None:
    found = check(synthetic.write(tmp_path / "signs", signers=3, classes=12, repetitions=2).root)
    assert found.bad == found.repeated == found.blank == found.others == ()
    assert all(warning.endswith("hand in any frame") for warning in found.warnings)
    assert found.samples == {"train": (4,) * 12, "test": (2,) * 12}
    assert found.values.lowest >= 0 and found.values.highest <= 1
    assert found.lengths.over == 0


@pytest.mark.parametrize(
    ("holdout", "train", "test"),
    [
        (2, ["user01", "user02"], ["user03", "user04"]),
        (["user04", "user02"], ["user01", "user03"], ["user02", "user04"]),
    ],
)
def test_who_is_held_out(
    tmp_path: Path, holdout: int | list[str], train: list[str], test: list[str]
) -> None:
    written = synthetic.write(
        tmp_path / "signs", signers=4, classes=2, repetitions=1, holdout=holdout
    )
    assert written.signers == {"train": tuple(train), "test": tuple(test)}
    for split, users in (("train", train), ("test", test)):
        entries = open_dataset(written.root).split(split)
        assert sorted({entry.path.name[:6] for entry in entries}) == users


@pytest.mark.parametrize("holdout", [0, []])
def test_nobody_held_out_is_one_split(tmp_path: Path, holdout: int | list[str]) -> None:
    written = synthetic.write(
        tmp_path / "signs", signers=1, classes=2, repetitions=1, holdout=holdout
    )
    assert written.signers == {"all": ("user01",)} and written.samples == {"all": 2}
    assert open_dataset(written.root).splits == ("all",)
    assert "--holdout 0" in (written.root / "README.md").read_text()


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    def made(name: str, **arguments: int) -> dict[str, bytes]:
        sizes = {"signers": 2, "classes": 11, "repetitions": 1} | arguments
        return content(synthetic.write(tmp_path / name, **sizes).root)

    one, again = made("one"), made("again")
    assert one == again
    other = made("other", seed=1)
    assert one.keys() == other.keys()
    assert not {v for k, v in one.items() if k.endswith(".pkl")} & set(other.values())
    larger = made("larger", classes=13, repetitions=2)
    assert {k: v for k, v in larger.items() if k in one and k.endswith(".pkl")} == {
        k: v for k, v in one.items() if k.endswith(".pkl")
    }


# What is refused


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"holdout": ["user4"]}, "--holdout user4: the signers are user01 to user03"),
        ({"holdout": [""]}, "--holdout : the signers are"),
        ({"holdout": 3}, "all 3 signers are held out: nobody is left to train on"),
        ({"holdout": 30}, "all 3 signers are held out"),
    ],
)
def test_a_holdout_that_cannot_be(tmp_path: Path, arguments: dict, says: str) -> None:
    with pytest.raises(PortError, match=says):
        synthetic.write(tmp_path / "signs", signers=3, **arguments)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["signers", "classes", "repetitions", "seed", "holdout"])
def test_counts_below_the_least(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError):
        synthetic.write(tmp_path / "signs", **{name: -1})
    assert not os.listdir(tmp_path)


def test_what_is_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = content(tmp_path)
    for name, says in (
        ("full", "full: is not empty"),
        ("file", "file: is not a folder"),
        ("none/new", "none/new: its folder does not exist"),
        ("file/new", "file/new: its folder does not exist"),
        ("here", "here: is the current folder"),
    ):
        with pytest.raises(PortError, match=says):
            synthetic.write(tmp_path / name)
    assert content(tmp_path) == before
    assert sorted(os.listdir(tmp_path)) == ["file", "full", "here"]


def test_an_empty_folder_is_filled_and_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    synthetic.write(tmp_path / "link", signers=2, classes=2, repetitions=1)
    assert (tmp_path / "link").is_symlink()
    assert len(open_dataset(tmp_path / "empty").entries) == 4
    assert sorted(os.listdir(tmp_path)) == ["empty", "link"]


@pytest.mark.parametrize("stopped", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_an_interrupted_one_leaves_nothing(tmp_path: Path, stopped: type[BaseException]) -> None:
    def stop(done: int, of: int) -> None:
        if done == 3:
            raise stopped

    with pytest.raises(stopped):
        synthetic.write(tmp_path / "signs", signers=2, classes=2, progress=stop)
    assert not os.listdir(tmp_path)


def test_it_appears_at_once(tmp_path: Path) -> None:
    def look(done: int, of: int) -> None:
        assert not (tmp_path / "signs").exists()

    synthetic.write(tmp_path / "signs", signers=2, classes=2, repetitions=1, progress=look)
    assert (tmp_path / "signs").is_dir()


def test_what_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    refused = pytest.raises(PortError, match=r"signs: cannot be written: ")
    with refused, appearing(tmp_path / "signs") as folder:
        (folder / "new").write_text("new")
        (tmp_path / "signs").mkdir()
        (tmp_path / "signs" / "mine").write_text("mine")
    assert content(tmp_path) == {"signs/mine": b"mine"}


def test_the_folder_of_the_moment_is_not_named(tmp_path: Path) -> None:
    """A file in it that cannot be written is the folder's refusal, under the name that was given;
    a refusal of another file stays that file's."""
    for path, named in (("a.json", "signs: full. Free"), (tmp_path / "b.npy", f"{tmp_path}/b.npy")):
        with (
            pytest.raises(PortError) as refused,
            appearing(os.path.relpath(tmp_path / "signs")) as folder,
        ):
            raise PortError(folder / path, "full", "Free some space")
        assert named in str(refused.value) and ".signs-" not in str(refused.value)


def test_a_disk_that_refuses_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writing, "_write_json", full)
    with pytest.raises(PortError, match=r"signs: cannot be written: No space left on device"):
        synthetic.write(tmp_path / "signs", signers=2, classes=2, repetitions=1)
    assert not os.listdir(tmp_path)
