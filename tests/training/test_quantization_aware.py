"""Quantization-aware training: the model computes as its int8 .tflite, and stays a plain one."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_quantizer import qtyping
from ai_edge_quantizer.algorithms.uniform_quantize import uniform_quantize_tensor

from signbart_port.data.model_inputs import Inputs
from signbart_port.data.model_interface import of_model
from signbart_port.inference.logits import run
from signbart_port.keras_model import SignBart
from signbart_port.model_files import h5
from signbart_port.pairs import signbart_cases as parity_inputs
from signbart_port.tflite import model_file
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export import converter_rewrites, quantization
from signbart_port.tflite_export.conversion import Conversion
from signbart_port.tflite_export.quantization import Integers
from signbart_port.tflite_export.workers import converter, quantizer
from signbart_port.training.quantization_aware import (
    QuantizationAware,
    per_channel,
    per_tensor,
    quantization_aware,
)
from tests.support.framework_models import keras_model
from tests.support.small_models import small_config, state_dict

CONFIG = small_config(d_model=48, encoder_layers=1, decoder_layers=2)
FRAMES = CONFIG.max_position_embeddings
LOGITS_OUT = "classification_head/out_proj/output"
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def model_of(seed: int = 0) -> SignBart:
    return keras_model(CONFIG, state_dict(CONFIG, seed))


def clips(count: int, seed: int = 0, frames: int = FRAMES) -> Inputs:
    """Clips of every length, padded to so many frames."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, frames + 1, size=count)
    mask = (np.arange(frames) < lengths[:, None]).astype(np.float32)
    one = parity_inputs.make(CONFIG.keypoints, frames, seed).keypoints[0]
    moved = one + rng.normal(0, 0.1, (count, 1, *one.shape[1:]))
    keypoints = moved.clip(0, 1).astype(np.float32) * mask[:, :, None, None]
    return Inputs((), keypoints, mask)


def batch(count: int, seed: int = 0, frames: int = FRAMES) -> dict[str, np.ndarray]:
    made = clips(count, seed, frames)
    return {"keypoints": made.keypoints, "attention_mask": made.attention_mask}


def in_steps(
    values: np.ndarray, low: np.ndarray, high: np.ndarray, symmetric: bool
) -> tuple[np.ndarray, np.ndarray]:
    """What an int8 tensor holds in place of values, and its steps, as ai-edge-quantizer has them
    for values from `low` to `high`."""
    granularity = qtyping.QuantGranularity.TENSORWISE
    zero, step = uniform_quantize_tensor.tensor_zp_scale_from_min_max(
        low, high, 8, symmetric, granularity
    )
    whole = np.clip(np.rint(values / step + zero), -127 if symmetric else -128, 127)
    return (whole - zero) * step, np.asarray(step)


@pytest.mark.parametrize(
    ("low", "high"), [(-1.3, 2.1), (0.0, 0.7), (-3.0, 0.0), (-1e-4, 40.0), (-100.0, 0.5)]
)
def test_activations_take_the_steps_of_an_int8_file(low: float, high: float) -> None:
    values = np.random.default_rng(0).uniform(1.2 * low, 1.2 * high, 5000).astype(np.float32)
    values[0] = 0
    expected, step = in_steps(values, np.float32(low), np.float32(high), symmetric=False)
    rounded = np.asarray(per_tensor(values, low, high))
    # A value halfway between two steps may go either way.
    fraction = np.abs(np.abs(values / step) % 1 - 0.5)
    assert np.abs(rounded - expected)[fraction > 1e-3].max() < 1e-3 * step
    assert np.abs(rounded - expected).max() < 1.001 * step
    assert rounded[0] == 0 and len(np.unique(rounded)) <= 256


def test_nothing_is_rounded_before_something_is_seen() -> None:
    aware = quantization_aware(model_of())
    fed = batch(3)
    np.testing.assert_array_equal(aware(fed), aware.signbart.classify(**fed, mask_bound=-100.0))


@pytest.mark.parametrize("axis", [0, 1])
def test_kernels_take_steps_of_each_channel(axis: int) -> None:
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(30, 20)).astype(np.float32)
    kernel *= np.expand_dims(10.0 ** rng.uniform(-4, 3, kernel.shape[axis]), 1 - axis)
    kernel[3, 4] = 0
    kernel = kernel.astype(np.float32)
    most = np.abs(kernel).max(axis=1 - axis, keepdims=True)
    expected, step = in_steps(kernel, -most, most, symmetric=True)
    rounded = np.asarray(per_channel(kernel, axis))
    assert (np.abs(rounded - expected) < 1e-3 * step).all()
    assert rounded[3, 4] == 0
    np.testing.assert_array_equal(per_channel(np.zeros((3, 2), np.float32), axis), 0)


def test_the_gradient_passes_straight_through() -> None:
    """But not where a value was cut off; and to every weight of a kernel, the largest included."""
    values = tf.constant([-5.0, -0.9, 0.0, 0.3141, 0.9, 2.0])
    kernel = tf.constant(np.random.default_rng(0).normal(size=(40, 30)), tf.float32)
    target = np.random.default_rng(1).normal(size=kernel.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch([values, kernel])
        first = tf.reduce_sum(per_tensor(values, -1.0, 1.0) * [1.0, 2, 3, 4, 5, 6])
        second = tf.reduce_sum(per_channel(kernel, 1) * target)
        found = tape.gradient([first, second], [values, kernel])
    np.testing.assert_array_equal(found[0], [0, 2, 3, 4, 5, 0])
    np.testing.assert_allclose(found[1], target)


def test_ranges_grow_at_once_and_shrink_slowly() -> None:
    aware = quantization_aware(model_of(), forgetting=0.25)
    first, second = clips(6, seed=0), clips(6, seed=1)

    def after(*seen: Inputs) -> np.ndarray:
        aware.ranges.assign(np.zeros(aware.ranges.shape))
        for one in seen:
            aware.observe(one.keypoints, one.attention_mask)
        return np.array(aware.ranges)

    one, two, both = after(first), after(second), after(first, second)
    nearer = one + 0.25 * (two - one)
    np.testing.assert_allclose(both[:, 0], np.minimum(two, nearer)[:, 0], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(both[:, 1], np.maximum(two, nearer)[:, 1], rtol=1e-5, atol=1e-7)
    assert (both[:, 0] <= 0).all() and (both[:, 1] >= 0).all()


class Emitted(NamedTuple):
    """A model, its simulation and its int8 file, which have seen the same clips, and the ranges
    (N, 2) of the file's calibration, of tensors in no order."""

    model: SignBart
    aware: QuantizationAware
    ranges: np.ndarray
    path: Path


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Emitted:
    folder, model, seen = tmp_path_factory.mktemp("aware"), model_of(), clips(24)
    data = converter.converted(model, Conversion((FRAMES,), Quantization.INT8, of_model(CONFIG)))
    (folder / "float.tflite").write_bytes(data)
    out = folder / "int8.tflite"
    with quantization.running(folder, Integers(Quantization.INT8), out, seen) as work:
        work.answer()
    aware = quantization_aware(model, forgetting=0.0)
    for part in (slice(12), slice(12, None)):
        aware.observe(seen.keypoints[part], seen.attention_mask[part])
    found = quantizer.calibrated(data, quantization.ranges_of(folder), seen, 8).values()
    ranges = [(np.min(of["min"]), np.max(of["max"])) for of in found if of]
    return Emitted(model, aware, np.array(ranges), out)


@pytest.mark.release
def test_ranges_are_those_of_the_calibration(emitted: Emitted) -> None:
    """Of every place, and so with what padded frames compute, as in the file.

    But constants, which need none, and what the converter moves into other operators: the scaling
    of queries, and the last LayerNorm's gamma and beta.
    """
    known = np.column_stack([emitted.ranges[:, 0].clip(max=0), emitted.ranges[:, 1].clip(min=0)])
    ranges = np.array(emitted.aware.ranges)
    compared = 0
    last = f"decoder/layers.{CONFIG.decoder_layers - 1}/final_layer_norm"
    for path, of_place in zip(emitted.aware.places, ranges, strict=True):
        module, _, place = path.rpartition("/")
        if place in ("rows", "gamma", "beta") or path in (f"{last}/scaled", f"{last}/output"):
            continue
        if module.endswith("q_proj"):
            of_place = of_place * converter_rewrites.query_scaling(module, CONFIG)
        off = np.abs(known - of_place).max(axis=1).min() / (of_place[1] - of_place[0])
        assert off < 1e-4, path
        compared += 1
    assert compared > 80


@pytest.mark.release
def test_logits_are_nearly_those_of_the_file(emitted: Emitted) -> None:
    fed = clips(40, seed=5)
    (file,) = model_file.read_all(emitted.path)
    given = run(file, fed).outputs
    plain, simulated = (
        np.asarray(model(fed.keypoints, fed.attention_mask, training=False))
        for model in (emitted.model, emitted.aware)
    )
    assert np.abs(simulated - given).mean() < 0.3 * np.abs(plain - given).mean()


@pytest.mark.release
def test_clips_may_be_padded_further(emitted: Emitted) -> None:
    """Ragged clips in a batch, or alone and unpadded: the same logits, to a few steps of them."""
    fed = clips(3, seed=3)
    together = np.asarray(emitted.aware(fed.keypoints, fed.attention_mask))
    low, high = np.array(emitted.aware.ranges)[emitted.aware.places[LOGITS_OUT]]
    for keypoints, mask, expected in zip(fed.keypoints, fed.attention_mask, together, strict=True):
        frames = int(mask.sum())
        alone = emitted.aware(keypoints[None, :frames], mask[None, :frames])
        assert np.abs(alone - expected).max() <= 8 * (high - low) / 255


@pytest.mark.release
def test_fit_and_what_is_saved(tmp_path: Path) -> None:
    """In graph mode, on batches of several lengths; what is saved is a plain SignBART."""
    config = small_config(encoder_layers=1, decoder_layers=1)
    model = keras_model(config, state_dict(config))
    paths = [weight.path for weight in model.weights]
    before = {weight.path: weight.numpy() for weight in model.weights}
    aware = quantization_aware(model)
    assert [w.path for w in aware.trainable_weights] == paths
    aware.compile(keras.optimizers.Adam(0.01), LOSS, metrics=["accuracy"], jit_compile=False)
    batches = [(batch(6, n, frames), np.arange(6) % 5) for n, frames in enumerate((9, FRAMES, 5))]
    kinds = {"keypoints": (None, None, 12, 2), "attention_mask": (None, None)}
    signature = {name: tf.TensorSpec(shape) for name, shape in kinds.items()}
    data = tf.data.Dataset.from_generator(
        lambda: iter(batches), output_signature=(signature, tf.TensorSpec((6,), tf.int64))
    ).apply(tf.data.experimental.assert_cardinality(len(batches)))
    history = aware.fit(data, shuffle=False, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    ranges = np.array(aware.ranges)
    assert (ranges[:, 0] < ranges[:, 1]).all()
    assert np.isfinite(aware.evaluate(data, verbose=0)).all()
    np.testing.assert_array_equal(aware.ranges, ranges)

    left_out = converter_rewrites.left_out(config)
    assert [weight.path for weight in model.weights] == paths
    for weight in model.weights:
        assert (weight.path in left_out) != np.any(weight.numpy() != before[weight.path])
    model.save(tmp_path / "model.h5")
    file = h5.read(tmp_path / "model.h5")
    file.check_weights()
    assert file.config == config and file.tensors.keys() == set(paths)
    for weight in model.weights:
        np.testing.assert_array_equal(file.tensors[weight.path], weight)


def test_the_plain_model_knows_nothing_of_it() -> None:
    """Its logits are the same bit for bit, and its graph has no trace of the other."""
    fed, model, other = batch(4), model_of(), model_of()
    aware = quantization_aware(model)
    aware.observe(**fed)
    assert np.any(aware(fed) != model(fed))
    np.testing.assert_array_equal(model(fed), other(fed))
    np.testing.assert_array_equal(model.classify(**fed), other.classify(**fed))
    function = tf.function(model.classify)
    graph = function.get_concrete_function(*map(tf.constant, fed.values())).graph
    assert not [op.type for op in graph.get_operations() if "FakeQuant" in op.type]


def test_a_failure_inside_leaves_no_rounding_behind() -> None:
    fed, model = batch(4), model_of()
    aware = quantization_aware(model)
    aware.observe(**fed)
    with pytest.raises(tf.errors.InvalidArgumentError):
        aware(fed["keypoints"], fed["attention_mask"][:, 1:])
    np.testing.assert_array_equal(model(fed), model_of()(fed))


def test_a_copy_with_its_ranges(tmp_path: Path) -> None:
    """Training may be resumed."""
    aware = quantization_aware(model_of())
    aware.observe(**batch(4))
    aware.save(tmp_path / "aware.keras")
    copy = keras.models.load_model(tmp_path / "aware.keras")
    np.testing.assert_array_equal(copy(batch(4)), aware(batch(4)))


def test_float32_alone() -> None:
    with pytest.raises(ValueError, match="float32"):
        quantization_aware(SignBart(CONFIG, dtype="float64"))
