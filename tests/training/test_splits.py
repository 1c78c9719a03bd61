"""What is trained on, what chooses the best model, and what tests it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from signbart_port.config import SignBartConfig
from signbart_port.config.training import Settings
from signbart_port.data.dataset import SPLITS, open_dataset
from signbart_port.data.examples import Examples
from signbart_port.data.signers import signer_of
from signbart_port.errors import PortError
from signbart_port.training.splits import Data, read, root_of
from tests.support.datasets import Folder, a_clip
from tests.support.small_models import small_config

CONFIG = small_config(num_labels=2)


def a_dataset(root: Path, **splits: int) -> Folder:
    """Two classes; so many clips of each in every split, by as many signers."""
    folder = Folder(root, {"cat": 0, "ant": 1})
    for split, count in splits.items():
        for number in range(count):
            for label in ("cat", "ant"):
                folder.put(f"{split}/{label}/user{number:02}_{split}", a_clip(number, 2 + number))
    return folder


def data_of(root: Path, config: SignBartConfig = CONFIG, **options: Any) -> Data:
    return read(open_dataset(root), config, SPLITS, skip_bad=options.get("skip_bad", False))


def splits(examples: Examples | None) -> Counter[str]:
    assert examples is not None
    return Counter(entry.split for entry in examples.entries)


def paths(*parts: Examples | None) -> list[Path]:
    return [entry.path for part in parts if part for entry in part.entries]


def test_a_split_val_chooses_the_best(tmp_path: Path) -> None:
    data = data_of(a_dataset(tmp_path / "signs", train=5, val=2, test=3).root)
    parts = data.parts(Settings())
    assert splits(parts.train) == {"train": 10}
    assert splits(parts.validation) == {"val": 4}
    assert splits(parts.test) == {"test": 6}
    assert parts.notes == ("4 clips of val choose the best model",)
    published = data.parts(Settings(validation="test"))
    assert splits(published.validation) == splits(published.test) == {"test": 6}
    assert splits(published.train) == {"train": 10}


def test_a_share_of_every_class_is_set_aside(tmp_path: Path) -> None:
    data = data_of(a_dataset(tmp_path / "signs", train=20, test=1).root)
    seen = []
    for settings, count in (
        (Settings(), 4),
        (Settings(seed=1), 4),
        (Settings(validation=0.5), 20),
        (Settings(validation=0.025), 1),
    ):
        parts = data.parts(settings)
        assert (len(parts.validation), len(parts.train)) == (count, 40 - count)
        assert len(set(paths(parts.train, parts.validation, parts.test))) == 42  # each once
        classes = Counter(parts.validation.targets.tolist())
        assert max(classes.values()) - min(classes[0], classes[1]) <= 1
        note = f"{count} of 40 training clips are set aside to choose the best model"
        assert parts.notes == (note,)
        seen.append(paths(parts.validation))
    assert seen[0] == paths(data.parts(Settings()).validation) != seen[1]


def test_without_a_split_train_all_is_trained_on(tmp_path: Path) -> None:
    parts = data_of(a_dataset(tmp_path / "signs", all=10).root).parts(Settings())
    assert (splits(parts.train), splits(parts.validation)) == ({"all": 18}, {"all": 2})
    assert parts.test is None


@pytest.mark.parametrize(
    ("there", "validation", "says"),
    [
        ({"train": 5}, "val", 'has no samples in "val". It has train'),
        ({"train": 5}, "test", 'has no samples in "test". It has train'),
        ({"val": 5, "test": 1}, None, 'has no samples in "all". It has val and test'),
        ({"train": 2}, None, "has 4 clips to train on: 10% of them for validation are 0. Give"),
        ({"train": 1}, 0.9, "has 2 clips to train on: 90% of them for validation are 2. Give"),
    ],
)
def test_what_cannot_be_shared_out(
    tmp_path: Path, there: dict[str, int], validation: Any, says: str
) -> None:
    root = a_dataset(tmp_path / "signs", **there).root
    with pytest.raises(PortError) as refused:
        data_of(root).parts(Settings(validation=validation))
    assert str(refused.value).startswith(f"{root}: {says}")


def test_one_signer_is_left_out_of_everything(tmp_path: Path) -> None:
    data = data_of(a_dataset(tmp_path / "signs", train=8, val=8, test=4).root)
    assert data.signers == tuple(f"user{number:02}" for number in range(8))
    for signer, count in (("user03", 6), ("user07", 4)):
        parts = data.without(signer, Settings())
        assert {signer_of(path) for path in paths(parts.test)} == {signer}
        assert signer not in {signer_of(path) for path in paths(parts.train, parts.validation)}
        assert len(parts.test or ()) == count
        assert len(set(paths(parts.train, parts.validation, parts.test))) == 40
        assert len(parts.validation) == round(0.1 * (40 - count))


@pytest.mark.parametrize("split", ["val", "test"])
def test_no_split_chooses_where_a_signer_is_left_out(tmp_path: Path, split: str) -> None:
    data = data_of(a_dataset(tmp_path / "signs", train=8, val=8, test=4).root)
    with pytest.raises(PortError, match=f"has no {split} of its own where signers are left out"):
        data.without("user03", Settings(validation=split))


def test_a_signer_who_is_not_there(tmp_path: Path) -> None:
    root = a_dataset(tmp_path / "signs", train=2).root
    with pytest.raises(PortError) as refused:
        data_of(root).without("user7", Settings())
    assert str(refused.value) == f'{root}: has no signer "user7". It has user00, user01'
    nameless = Folder(tmp_path / "nameless", {"cat": 0, "ant": 1})
    nameless.put("train/cat/1", a_clip(1))
    with pytest.raises(PortError, match="It has none: names are like user08_G03_R05"):
        data_of(nameless.root).without("user7", Settings())
    alone = a_dataset(tmp_path / "alone", train=1).root
    with pytest.raises(PortError, match="has no signer but user00"):
        data_of(alone).without("user00", Settings())


@pytest.mark.parametrize(
    ("name", "signer"),
    [
        ("train/a/user08_G03_R05.pkl", "user08"),
        ("ann_1.npz", "ann"),
        ("a.b_c_d.pkl", "a.b"),
        ("3.pkl", None),
        ("_3.pkl", None),
        ("an_folder/3.pkl", None),
    ],
)
def test_who_signs(name: str, signer: str | None) -> None:
    assert signer_of(name) == signer_of(Path(name)) == signer


def test_other_labels_than_the_models(tmp_path: Path) -> None:
    root = a_dataset(tmp_path / "signs", train=1).root
    with pytest.raises(PortError) as refused:
        data_of(root, small_config(num_labels=5))
    assert str(refused.value).startswith(f"{root}: has 2 labels, the model 5. Change num_labels")


def test_a_bad_sample_is_left_out_where_that_is_wanted(tmp_path: Path) -> None:
    folder = a_dataset(tmp_path / "signs", train=5)
    bad = folder.put("train/ant/user99_bad", a_clip(0), label="cat")
    with pytest.raises(PortError, match="user99_bad"):
        data_of(folder.root)
    data = data_of(folder.root, skip_bad=True)
    assert [one.entry.path for one in data.bad] == [bad]
    assert (len(data.examples), len(data.signers)) == (10, 5)


def test_where_the_clips_are() -> None:
    assert root_of(Settings(data_root="a/b"), "x.yaml") == Path("a/b")
    with pytest.raises(PortError) as refused:
        root_of(Settings(), "x.yaml")
    assert str(refused.value).startswith("x.yaml: does not say where the clips are. Give data_root")
