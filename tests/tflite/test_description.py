"""A .tflite in plain data: what it says, and that it is the file's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from signbart_port.errors import PortError
from signbart_port.system import digest
from signbart_port.tflite.description import describe
from tests.support.cards import bare


@pytest.fixture(scope="module")
def path(small_tflite: Callable[..., Path]) -> Path:
    return small_tflite(4, 16)


def test_signatures_come_the_shortest_first(path: Path) -> None:
    said = describe(path)
    assert json.loads(json.dumps(said)) == said
    assert said["model"] == {"name": path.name, "sha256": digest.of_file(path)}
    lengths = [(one["name"], one["frames"]) for one in said["signatures"]]
    assert lengths == [("frames_4", 4), ("serving_default", 16)] and said["frames"] == 16
    inputs = said["signatures"][0]["inputs"]
    assert {name: one["shape"] for name, one in inputs.items()} == {
        "attention_mask": [1, 4],
        "keypoints": [1, 4, 12, 2],
    }
    float32 = {"type": "float32", "scale": None, "zero_point": None}
    assert said["signatures"][0]["outputs"] == {"logits": {"shape": [1, 5], **float32}}


def test_every_known_skeleton_is_read_or_refused(path: Path) -> None:
    forms = describe(path)["clips"]
    assert all(("refused" in form) != ("selection" in form) for form in forms)
    read = {(form["skeleton"], form["points"]) for form in forms if "selection" in form}
    assert {(None, 75), (None, 100), ("mediapipe-75", 75), ("holistic-543", 543)} <= read
    assert (None, 543) not in read and (None, 543) in {(f["skeleton"], f["points"]) for f in forms}


def test_without_a_card(path: Path, tmp_path: Path) -> None:
    """Only what the card alone has is missing."""
    (tmp_path / path.name).write_bytes(bare(path))
    said, with_card = describe(tmp_path / path.name), describe(path)
    assert said["labels"] is None and said["signatures"] == with_card["signatures"]
    assert (
        said["normalization"]
        == with_card["normalization"]
        == {
            "count_missing": True,
            "margin": 0.05,
        }
    )


def test_what_is_no_tflite(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_text("a note")
    with pytest.raises(PortError, match=r"model\.tflite: is a text file"):
        describe(tmp_path / "model.tflite")
