"""What a user saves, a user opens: the same weights, the same numbers, by every way in."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

import signbart_port
from signbart_port.keras_model import SignBart
from signbart_port.pairs import signbart_cases as parity_inputs
from tests.support.framework_models import keras_model
from tests.support.running import run_program
from tests.support.small_models import small_config, state_dict

CONFIG = small_config()
INPUTS = parity_inputs.make_for(CONFIG)


@pytest.fixture(scope="module")
def model() -> SignBart:
    return keras_model(CONFIG, state_dict(CONFIG))


def same(a: SignBart, b: SignBart) -> None:
    assert a is not b and a.config == b.config
    for one, other in zip(a.weights, b.weights, strict=True):
        assert one.path == other.path
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(
        a(INPUTS.keypoints, INPUTS.attention_mask), b(INPUTS.keypoints, INPUTS.attention_mask)
    )


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.on_commit(".keras")
def test_load_model(model: SignBart, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    model.save(path)
    loaded = keras.models.load_model(path)
    assert type(loaded) is SignBart
    same(loaded, model)


@pytest.mark.parametrize("name", ["model.h5", "model.weights.h5", "model.keras"])
@pytest.mark.on_commit("model.weights.h5")
def test_load_weights(model: SignBart, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "model.weights.h5":
        model.save_weights(path)
    else:
        model.save(path)
    other = keras_model(CONFIG, state_dict(CONFIG, seed=1))
    other.load_weights(path)
    same(other, model)


def test_our_own_loader(model: SignBart, tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    model.save(path)
    same(signbart_port.load(path), model)


def test_clone_and_config(model: SignBart) -> None:
    again = SignBart.from_config(model.get_config())
    again.set_weights(model.get_weights())
    same(again, model)
    assert SignBart(CONFIG.model_dump()).config == CONFIG


@pytest.mark.parametrize("first", ["keras", "signbart_port"])
@pytest.mark.release
def test_importing_the_package_is_enough(model: SignBart, tmp_path: Path, first: str) -> None:
    """Before Keras or after it: the names in the file are known."""
    path = tmp_path / "model.h5"
    model.save(path)
    other = {"keras": "signbart_port", "signbart_port": "keras"}[first]
    printed = run_program("load_and_classify", path, first, other)
    clip = np.zeros((1, 4, 12, 2), np.float32), np.ones((1, 4), np.float32)
    np.testing.assert_allclose(
        [float.fromhex(x) for x in printed.split()], model(*clip)[0], rtol=1e-5, atol=1e-6
    )
