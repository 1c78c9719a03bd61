"""One sign in the points of several detectors, through whole models and files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import signbart_port
from signbart_port.config import joints
from signbart_port.config.skeletons import KNOWN
from signbart_port.data.clip_format import ClipFormat
from signbart_port.data.model_interface import Interface
from signbart_port.errors import PortError
from signbart_port.tflite import golden, metadata
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite.runner import Runner
from signbart_port.tflite_export.conversion import Conversion
from signbart_port.tflite_export.workers.converter import converted
from tests.support.cards import a_card, emit
from tests.support.datasets import a_sign
from tests.support.framework_models import keras_model
from tests.support.small_models import save_pth, small_config, state_dict

pytestmark = pytest.mark.release
CONFIG = small_config(joint_idx=joints.NAMED["pose_hands"])
UPPER = small_config(joint_idx=tuple(range(90)), skeleton="upper-90")
NAMES = ("mediapipe-75", "mediapipe-100", "holistic-543", "holistic-543-api", "upper-90")
Array = np.ndarray


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model as .pth and .tflite, one that takes Holistic's points, and the sign by skeleton."""
    folder = tmp_path_factory.mktemp("skeletons")
    weights = state_dict(CONFIG)
    save_pth(folder / "model.pth", weights, config=CONFIG.model_dump())
    emit(folder / "model.tflite", CONFIG)
    takes = KNOWN["holistic-543"]
    raw = Interface(543, preprocessing=True, takes=takes)
    data = converted(keras_model(CONFIG, weights), Conversion((16,), Quantization.NONE, raw))
    card = a_card(CONFIG, interface=raw, takes=takes.name)
    (folder / "raw.tflite").write_bytes(metadata.attach(data, card))
    save_pth(folder / "upper.pth", state_dict(UPPER), config=UPPER.model_dump())
    emit(folder / "upper.tflite", UPPER)
    for name, skeleton in KNOWN.items():
        np.save(folder / f"{name}.npy", a_sign(skeleton))
    return folder


def scores(folder: Path, model: str, clip: str, name: str | None = None) -> Array:
    found = signbart_port.predict(folder / model, [folder / f"{clip}.npy"], skeleton=name)
    assert found.form == ClipFormat(name)
    assert name is None or any(name in note for note in found.notes)
    return found.clips[0].scores


@pytest.mark.parametrize("model", ["model.pth", "model.tflite"])
def test_the_same_sign_gives_the_same_logits(folder: Path, model: str) -> None:
    expected = scores(folder, model, "mediapipe-75")
    assert np.array_equal(scores(folder, model, "mediapipe-100"), expected)
    for name in NAMES:
        assert np.array_equal(scores(folder, model, name, name), expected), name


def test_a_file_that_takes_holistic_s_points(folder: Path) -> None:
    found = scores(folder, "raw.tflite", "holistic-543", "holistic-543")
    expected = scores(folder, "model.tflite", "mediapipe-75")
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(PortError, match='Say which: skeleton="holistic-543" or'):
        scores(folder, "raw.tflite", "holistic-543")


def test_a_model_of_the_mobile_variant(folder: Path) -> None:
    expected = scores(folder, "upper.pth", "upper-90")
    np.testing.assert_allclose(scores(folder, "upper.tflite", "upper-90"), expected, atol=1e-5)
    found = scores(folder, "upper.pth", "holistic-543", "holistic-543")
    assert np.array_equal(found, expected)
    for model in ("upper.pth", "upper.tflite"):
        with pytest.raises(PortError, match="75 keypoints a frame: the model reads upper-90"):
            scores(folder, model, "mediapipe-75")
    card = metadata.read(folder / "upper.tflite")
    assert card is not None and card.skeleton == "upper-90"
    assert card.groups["left hand"] == (23, 44) and not card.count_missing


def test_golden_vectors_of_another_skeleton(folder: Path, tmp_path: Path) -> None:
    model, clip = folder / "model.tflite", folder / "holistic-543.npy"
    found = signbart_port.predict(model, [clip], skeleton="holistic-543")
    golden.write(tmp_path / "golden.json", found, force=False)
    said = json.loads((tmp_path / "golden.json").read_text())
    assert said["skeleton"] == "holistic-543" and "skeleton" in said["about"]
    assert golden.replay(tmp_path / "golden.json", model).passed


def test_a_runner_refuses_what_it_is_not_told_of(folder: Path) -> None:
    runner = Runner(folder / "model.tflite")
    with pytest.raises(ValueError, match="543 keypoints a frame"):
        runner.prepare(a_sign(KNOWN["holistic-543"]))
    runner.prepare(a_sign(KNOWN["holistic-543"]), ClipFormat("holistic-543"))
