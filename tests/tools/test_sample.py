"""The bundled sample: what it claims, how it is made, and the demo that shows it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import demo
import make_sample
from make_sample import clips, signer
from signbart_port.checkpoint import NameRules, read
from signbart_port.data.labels import read_labels
from signbart_port.data.synthetic import write
from signbart_port.data.synthetic.signs import SIGNS
from signbart_port.system import digest
from tests.support.running import run_program

LEFT, RIGHT = slice(33, 54), slice(54, 75)
README = (demo.SAMPLES / "README.md").read_text()


# The files


def test_the_checkpoint_is_small_and_the_one_of_the_readme() -> None:
    assert demo.CHECKPOINT.stat().st_size < 1_000_000
    assert f"`{digest.of_file(demo.CHECKPOINT)}`" in README
    assert "SYNTHETIC" in README
    accuracy = re.search(r"Held-out accuracy: (\d+) of (\d+) clips", README)
    assert accuracy and int(accuracy[1]) >= make_sample.WANTED * int(accuracy[2])


def test_the_checkpoint_carries_its_config() -> None:
    assert read(demo.CHECKPOINT, NameRules(("model",), ())).config == make_sample.CONFIG


def test_labels_are_those_of_a_synthetic_dataset(tmp_path: Path) -> None:
    """So that a .tflite with the sample's labels is evaluated on what `data synth` writes."""
    names = read_labels(demo.SAMPLES / "labels.json")
    assert names == write(tmp_path / "signs", signers=1, repetitions=1, holdout=0).labels
    assert make_sample.CONFIG["num_labels"] == len(set(names)) == 10


def test_the_clips_are_the_generator_s_and_held_out(tmp_path: Path) -> None:
    make_sample.save_clips(tmp_path / "clips.npz")
    with np.load(tmp_path / "clips.npz") as made, np.load(demo.SAMPLES / "clips.npz") as kept:
        assert set(kept["signers"]).isdisjoint(range(make_sample.SIGNERS))
        for name in ("lengths", "labels", "signers"):
            np.testing.assert_array_equal(made[name], kept[name])
        np.testing.assert_allclose(made["keypoints"], kept["keypoints"], rtol=0, atol=1e-3)


@pytest.mark.release
def test_the_checkpoint_classifies_its_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "FRAMEWORKS", {"PyTorch": demo.pytorch})
    keypoints, mask, labels = demo.sample_clips()
    logits = demo.classify(keypoints, mask)["PyTorch"]
    assert sorted(labels) == list(range(10))
    assert logits.argmax(axis=1).tolist() == labels


@pytest.mark.release
def test_training_twice_gives_the_same_file(tmp_path: Path) -> None:
    digests = []
    for run in ("first", "second"):
        (tmp_path / run).mkdir()
        run_program("train_sample", tmp_path / run / "model.pth")
        digests.append(digest.of_file(tmp_path / run / "model.pth"))
    assert digests[0] == digests[1]


# The generator


def test_signs_are_seeded() -> None:
    first, second = clips([5, 6], 2), clips([6, 5], 2)
    of_signer = len(SIGNS) * 2
    assert len(first[0]) == len(first[1]) == 2 * of_signer
    for a, b in zip(first[0], second[0][of_signer:] + second[0][:of_signer], strict=True):
        np.testing.assert_array_equal(a, b)
    assert first[0][0].shape != first[0][len(SIGNS)].shape or np.any(
        first[0][0] != first[0][len(SIGNS)]
    ), "a repetition is another clip"


def test_clips_look_like_a_detector_s() -> None:
    made, labels = clips(range(20), 1)
    assert labels.tolist() == [*range(10)] * 20
    assert {len(clip) // 10 for clip in made} <= {2, 3, 4, 5}
    for clip in made:
        assert clip.shape[1:] == (75, 2) and clip.dtype == np.float32
        assert clip.min() >= 0 and clip.max() <= 1
        assert np.any(clip[:, LEFT] != 0) or np.any(clip[:, RIGHT] != 0)
        for hand in (LEFT, RIGHT):  # found whole or not at all
            found = clip[:, hand].any(axis=-1)
            np.testing.assert_array_equal(found.any(axis=1), found.mean(axis=1) > 0.5)
    missing = np.mean([not frame.any() for c in made for h in (LEFT, RIGHT) for frame in c[:, h]])
    assert 0.2 < missing < 0.8


def test_one_hand_signs_are_signed_with_the_dominant_hand() -> None:
    assert {signer(number).dominant for number in range(20)} == {0, 1}
    for number in range(20):
        wave = clips([number], 1)[0][0]
        hands = [wave[:, LEFT], wave[:, RIGHT]]
        dominant = signer(number).dominant
        assert hands[dominant].any() and not hands[1 - dominant].any()


# The demo

EQUAL = np.array([[1, 3, 2], [5, 0, 1]], np.float32)


@pytest.mark.parametrize(
    ("other", "agreed"),
    [
        (EQUAL, True),
        (EQUAL + np.float32(1e-6), True),
        (EQUAL + np.float32(1e-2), False),
        (EQUAL[:, [0, 2, 1]], False),
        (np.where(EQUAL > 2, np.nan, EQUAL), False),
    ],
    ids=["equal", "close", "far", "another sign", "nan"],
)
def test_the_demo_sees_whether_the_frameworks_agree(other: np.ndarray, agreed: bool) -> None:
    assert demo.agree({"PyTorch": EQUAL, "Keras": EQUAL, "TFLite": other}) is agreed
    assert demo.agree({"PyTorch": other, "Keras": EQUAL, "TFLite": EQUAL}) is agreed


def test_one_sign_changed_within_closeness_is_seen() -> None:
    tie = np.array([[1, 1.00001]], np.float32)
    assert not demo.agree({"PyTorch": tie, "Keras": tie[:, ::-1]})


def test_the_table_puts_the_frameworks_side_by_side() -> None:
    logits = np.full((1, 10), -50, np.float32)
    logits[0, 3] = 0
    console = Console(width=100)
    with console.capture() as capture:
        console.print(demo.table({"PyTorch": logits, "Keras": logits + np.float32(0.5)}, [3]))
    row = next(line for line in capture.get().splitlines() if "100.0%" in line)
    assert row.split() == ["1", "release", "release", "100.0%", "release", "100.0%", "5.0e-01"]


def test_the_demo_shows_each_command_and_ends_as_it_ends(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        demo.signbart_port("inspect", demo.OUT / "no such model.h5")
    out, err = capfd.readouterr()
    assert end.value.code == 2
    assert out == "\n$ signbart-port inspect demo_output/no such model.h5\n"
    assert "no such model.h5" in err
