"""The Keras SignBART computes what the PyTorch one does, module by module."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import signbart_port
from signbart_port.config import SignBartConfig
from signbart_port.data.model_inputs import Inputs
from signbart_port.keras_model import SignBart
from signbart_port.pairs import signbart_cases as parity_inputs
from signbart_port.parity.proof import Recorded
from signbart_port.parity.report import Report
from signbart_port.parity.taps import LOGITS, Floats
from signbart_port.parity.tolerances import RUN
from signbart_port.verbs.load import load
from tests.support.framework_models import keras_model, torch_model
from tests.support.proofs import judge, noise_of, run_keras, run_torch
from tests.support.small_models import Arrays, distinct_state_dict, small_config, state_dict


def proof(config: SignBartConfig, arrays: Arrays, inputs: Inputs) -> Report:
    """Every module of the Keras model of `arrays` against the PyTorch one's."""
    float32: dict[str, Floats] = {}
    float64: dict[str, Floats] = {}
    torch = torch_model(config, arrays)
    run_torch(torch, inputs, float32.__setitem__)
    run_torch(torch.double(), inputs, float64.__setitem__)
    noise = noise_of(float32, float64, inputs)
    keras = keras_model(config, arrays)
    return judge(
        ("torch", "keras"),
        Recorded(float64, noise),
        list(float64),
        inputs,
        lambda record: run_keras(keras, inputs, record),
    )


@pytest.mark.parametrize("layout", ["full", "selected"])
@pytest.mark.parametrize("frames", [1, 2, 16])
@pytest.mark.on_commit("16-full", "1-selected")
def test_every_module(frames: int, layout: str) -> None:
    config = small_config(layout=layout)
    report = proof(config, state_dict(config), parity_inputs.make(config.keypoints, frames))
    assert report.passed, report.verdict()


def test_every_weight_in_its_place() -> None:
    config = small_config()
    report = proof(config, distinct_state_dict(config), parity_inputs.make_for(config))
    assert report.passed, report.verdict()


def test_a_larger_skeleton_changes_nothing() -> None:
    config = small_config()
    model, inputs = keras_model(config, state_dict(config)), parity_inputs.make_for(config)
    padded = np.pad(inputs.keypoints, ((0, 0), (0, 0), (0, 3), (0, 0)), constant_values=7.0)
    logits = model(inputs.keypoints, inputs.attention_mask)
    np.testing.assert_array_equal(model(padded, inputs.attention_mask), logits)


@pytest.mark.parametrize("frames", [0, 17])
def test_no_other_number_of_frames(frames: int) -> None:
    model = SignBart(small_config())
    with pytest.raises(ValueError, match=f"{frames} frames: this model takes 1 to 16"):
        model(np.zeros((1, frames, 12, 2), np.float32), np.ones((1, frames), np.float32))


@pytest.mark.parametrize("shape", [(1, 3, 5, 2), (3, 12, 2), (1, 3, 12, 3)])
def test_keypoints_of_another_shape(shape: tuple[int, ...]) -> None:
    model = SignBart(small_config())
    with pytest.raises(
        ValueError, match=r"^keypoints have the shape .*; the model reads \(clips,.*$"
    ):
        model(np.zeros(shape, np.float32), np.ones(shape[:2], np.float32))


REAL = (("", "attention_mask"), ("edge_", "edge_mask"))  # the parts of the recorded data

# Masks on which a model that treats padding a little differently gives other logits.
TRAPS = {
    "all zeros": [0, 0, 0, 0, 0, 0, 0, 0],
    "missing first": [0, 0, 0, 1, 1, 1, 1, 1],
    "last alone": [0, 0, 0, 0, 0, 0, 0, 1],
    "holes": [1, 0, 1, 0, 0, 1, 0, 0],
    "alternating": [0, 1, 0, 1, 0, 1, 0, 1],
    "not only 0 and 1": [1, 0.5, 1, 2, 1, 1, -1, 0],
}


@pytest.mark.parametrize("mask", TRAPS.values(), ids=TRAPS)
@pytest.mark.on_commit("last alone", "holes")
def test_masks(mask: list[float]) -> None:
    config = small_config()
    clip = parity_inputs.make(config.keypoints, len(mask)).keypoints[:1]
    inputs = Inputs(("clip",), clip, np.array([mask], np.float32))
    report = proof(config, state_dict(config), inputs)
    assert report.passed, report.verdict()


def test_classify_skips_nothing_that_counts() -> None:
    """The graph for TFLite, which computes the last layer for one frame, gives the same logits."""
    config = small_config()
    arrays = state_dict(config)
    model, inputs = keras_model(config, arrays), parity_inputs.make_for(config)
    traps = np.array([mask * 2 for mask in TRAPS.values()], np.float32)
    for keypoints, mask in (
        (inputs.keypoints, inputs.attention_mask),
        (inputs.keypoints[: len(traps)], traps),
    ):
        truth = np.asarray(model(keypoints, mask, training=False))
        found = np.asarray(model.classify(keypoints, mask))
        assert np.abs(found - truth).max() <= RUN.limit(0.0, float(np.abs(truth).max()))


def test_real_checkpoint(real_h5: Path, recorded: dict[str, np.ndarray]) -> None:
    """No further from the truth than twice the published code's own float32 run was."""
    rounding = np.abs(recorded["logits_float32"] - recorded["logits_float64"]).max()
    model = signbart_port.load(real_h5)
    for part, mask in REAL:
        inputs, truth = (recorded[f"{part}keypoints"], recorded[mask]), f"{part}logits_float64"
        for logits in (model(*inputs, training=False), model.classify(*inputs)):
            assert np.abs(logits - recorded[truth]).max() <= 2 * rounding
            np.testing.assert_array_equal(np.argmax(logits, -1), recorded[truth].argmax(-1))


@pytest.mark.release
def test_real_checkpoint_in_float64(real_h5: Path, recorded: dict[str, np.ndarray]) -> None:
    """Whatever rounding leaves open in float32, the two compute the same function."""
    model = load(real_h5, "float64")
    for part, mask in REAL:
        logits = model(recorded[f"{part}keypoints"].astype(np.float64), recorded[mask])
        truth = recorded[f"{part}logits_float64"]
        assert np.abs(logits - truth).max() <= 1e-12 * np.abs(truth).max()


@pytest.mark.release
def test_real_checkpoint_module_by_module(real_h5: Path, recorded: dict[str, np.ndarray]) -> None:
    """Against the outputs that the published code recorded, padded frames included."""
    outputs: dict[str, Floats] = {}
    inputs = Inputs((), recorded["keypoints"][:2], recorded["attention_mask"][:2])
    run_keras(load(real_h5, "float64"), inputs, outputs.__setitem__, "float64")
    assert LOGITS in outputs
    names = [name.removeprefix("module/") for name in recorded if name.startswith("module/")]
    assert len(names) == 67
    for name in names:
        truth = recorded[f"module/{name}"]
        error = np.abs(outputs[name].reshape(-1, *truth.shape[1:]) - truth).max()
        assert error <= 1e-12 * np.abs(truth).max(), name
