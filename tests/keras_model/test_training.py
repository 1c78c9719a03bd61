"""The Keras SignBART trains: fit, a gradient step, dropout in training alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

import signbart_port
from signbart_port.keras_model import SignBart
from signbart_port.pairs import signbart_cases as parity_inputs
from signbart_port.parity.keras_run import modules
from tests.support.framework_models import keras_model, torch_model
from tests.support.small_models import plan_of, small_config, state_dict

CONFIG = small_config()
INPUTS = parity_inputs.make_for(CONFIG)
BOTH = {"keypoints": INPUTS.keypoints, "attention_mask": INPUTS.attention_mask}
LABELS = np.arange(7) % CONFIG.num_labels
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.fixture
def model() -> SignBart:
    return keras_model(CONFIG, state_dict(CONFIG))


def test_call_styles(model: SignBart) -> None:
    expected = model(BOTH)
    keypoints, mask = INPUTS.keypoints, INPUTS.attention_mask
    for logits in (
        model(keypoints, mask),
        model(keypoints, mask, training=False),
        model(keypoints, attention_mask=mask),
        model(keypoints=keypoints, attention_mask=mask),
        model(BOTH, training=False),
        model(keypoints, mask.astype(np.int64)),
        model.call(BOTH),
    ):
        np.testing.assert_array_equal(logits, expected)
    predicted = model.predict(BOTH, verbose=0)
    np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=1e-5)


RATES = ["dropout", "attention_dropout", "activation_dropout", "classifier_dropout"]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.on_commit("attention_dropout")
def test_each_dropout_acts_in_training_alone(rate: str) -> None:
    config = CONFIG.replace(**(dict.fromkeys(RATES, 0.0) | {rate: 0.5}))
    model = keras_model(config, state_dict(config))
    np.testing.assert_array_equal(model(BOTH, training=False), model(BOTH, training=False))
    assert np.any(model(BOTH, training=True) != model(BOTH, training=True))
    without = keras_model(config.replace(**{rate: 0.0}), state_dict(config))
    np.testing.assert_array_equal(model(BOTH, training=False), without(BOTH, training=True))


def test_every_dropout_is_told(model: SignBart, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the modules, whatever its rate, learns whether this is training."""
    told: dict[int, set[bool | None]] = {}

    def call(self: keras.layers.Dropout, inputs: tf.Tensor, training: bool | None = None) -> Any:
        told.setdefault(id(self), set()).add(training)
        return inputs

    monkeypatch.setattr(keras.layers.Dropout, "call", call)
    dropouts = [layer for name, layer in modules(model) if name.endswith("dropout")]
    assert len(dropouts) == 3 + 3 * CONFIG.encoder_layers + 4 * CONFIG.decoder_layers
    for training in (True, False):
        told.clear()
        model(BOTH, training=training)
        assert [told.get(id(layer)) for layer in dropouts] == [{training}] * len(dropouts)


def test_gradients_are_pytorchs() -> None:
    """A GradientTape step reaches every variable, and with the gradient that PyTorch finds."""
    config = CONFIG.replace(**dict.fromkeys(RATES, 0.0))
    arrays = state_dict(config)
    keras_side, torch_side = keras_model(config, arrays), torch_model(config, arrays).train()
    inputs = map(torch.from_numpy, (INPUTS.keypoints, INPUTS.attention_mask, LABELS))
    torch_side(*inputs)[0].backward()
    with tf.GradientTape() as tape:
        loss = LOSS(LABELS, keras_side(BOTH, training=True))
    found = tape.gradient(loss, keras_side.trainable_variables)

    gradients = {v.path: g for v, g in zip(keras_side.trainable_variables, found, strict=True)}
    assert len(gradients) == len(plan_of(config).transfers)
    parameters = dict(torch_side.named_parameters())
    largest = max(float(p.grad.abs().max()) for p in parameters.values())
    for transfer in plan_of(config).transfers:
        expected = transfer.op.to_keras(parameters[transfer.torch].grad.numpy())
        gradient = tf.convert_to_tensor(gradients[transfer.keras]).numpy()  # a table's is sparse
        np.testing.assert_allclose(
            gradient, expected, rtol=1e-3, atol=1e-6 * largest, err_msg=transfer.keras
        )


@pytest.mark.parametrize("compiled", [False, "auto"])
@pytest.mark.release
def test_fit_then_save(tmp_path: Path, compiled: Any) -> None:
    """Without XLA, and as `compile` has it by default: compiling takes many times as long."""
    config = small_config(encoder_layers=1, decoder_layers=1)
    model = keras_model(config, state_dict(config))
    before = [weight.numpy() for weight in model.trainable_weights]
    model.compile(keras.optimizers.Adam(0.01), LOSS, metrics=["accuracy"], jit_compile=compiled)
    history = model.fit(BOTH, LABELS, batch_size=4, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.any(weight.numpy() != old), weight.path

    path = tmp_path / "trained.h5"
    model.save(path)
    expected = model(BOTH)
    for loaded in (signbart_port.load(path), keras.models.load_model(path)):
        np.testing.assert_array_equal(loaded(BOTH), expected)
