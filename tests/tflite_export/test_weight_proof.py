"""Every weight of a Keras model in its .tflite, by value: found where it is, missed where not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signbart_port import transfer
from signbart_port.config import SignBartConfig
from signbart_port.parity.report import WeightComparison
from signbart_port.tflite import model_file, object_tree
from signbart_port.tflite.constants import Steps, StoredConstant
from signbart_port.tflite.modes import Precision, Quantization
from signbart_port.tflite_export.converter_rewrites import left_out, own_parts
from signbart_port.tflite_export.weight_matching import MOST_STEPS, differs, match
from signbart_port.tflite_export.weight_proof import compare
from signbart_port.transfer import Direction
from tests.support.framework_models import keras_model
from tests.support.modified_tflite import convert, flip, packed, weights_in
from tests.support.small_models import Arrays, plan_of, small_config, state_dict

# Wide enough that the converter quantizes; neither stack scales its queries by a power of two.
CONFIG = small_config(
    d_model=36, encoder_layers=1, encoder_ffn_dim=48, decoder_layers=2, decoder_ffn_dim=40
)
FRAMES = 9
NONE, FLOAT16, DYNAMIC = Quantization.NONE, Quantization.FLOAT16, Quantization.DYNAMIC
RULES = {
    NONE: "equal in every bit",
    FLOAT16: "rounded to float16, every one",
    DYNAMIC: "within half a step of int8, or equal in every bit",
}
MODES = {NONE: Precision.FLOAT32, FLOAT16: Precision.FLOAT16, DYNAMIC: Precision.DYNAMIC}
Change = Callable[[Arrays], None]


def tensors_of(config: SignBartConfig, change: Change = lambda arrays: None) -> Arrays:
    """Random weights under Keras' names."""
    arrays = state_dict(config)
    change(arrays)
    return dict(transfer.apply(plan_of(config), Direction.TORCH_TO_KERAS, arrays))


def changed(
    config: SignBartConfig,
    quantization: Quantization,
    frames: int | None,
    change: Change = lambda arrays: None,
) -> bytes:
    """A file of random weights that are changed before they are converted."""
    arrays = state_dict(config)
    change(arrays)
    return convert(keras_model(config, arrays), quantization, frames)


@cache
def converted(quantization: Quantization, frames: int | None = FRAMES) -> bytes:
    return changed(CONFIG, quantization, frames)


@pytest.fixture
def holds(tmp_path: Path) -> Any:
    """Compares a file, given as bytes, with the weights of its config."""

    def run(
        data: bytes, config: SignBartConfig = CONFIG, tensors: Arrays | None = None
    ) -> WeightComparison:
        path = tmp_path / "model.tflite"
        path.write_bytes(data)
        return compare(model_file.read(path), config, tensors or tensors_of(config))

    return run


@pytest.mark.parametrize("quantization", MODES)
@pytest.mark.parametrize("frames", [FRAMES, None])
@pytest.mark.on_commit("9-Quantization.DYNAMIC")
def test_found(holds: Any, quantization: Quantization, frames: int | None) -> None:
    weights = holds(converted(quantization, frames))
    assert weights.passed, weights.sentence()
    plan = plan_of(CONFIG)
    read = FRAMES if frames else 18  # rows of each table of positions, of 18
    assert weights.tensors == len(plan.transfers)
    assert weights.unread == 2 * CONFIG.d_model * (18 - read)
    assert weights.values == plan.parameters - weights.unread
    said = f"; {weights.unread} that nothing reads are left out"
    assert weights.sentence().endswith(said) == (frames is not None)
    assert weights.rule == RULES[quantization]


@pytest.mark.parametrize(
    ("changes", "quantization", "frames"),
    [
        ({}, DYNAMIC, 1),
        ({"joint_idx": (3,)}, NONE, 1),
        ({"joint_idx": (3,)}, FLOAT16, FRAMES),
        ({"layout": "selected", "num_labels": 1}, NONE, FRAMES),
        ({"encoder_attention_heads": 1, "decoder_attention_heads": 36}, NONE, FRAMES),
        ({"encoder_attention_heads": 1, "decoder_attention_heads": 36}, FLOAT16, None),
        ({"encoder_layers": 3, "decoder_layers": 1}, DYNAMIC, FRAMES),
        ({"d_model": 2, "encoder_attention_heads": 1, "decoder_attention_heads": 1}, NONE, FRAMES),
        ({"max_position_embeddings": 1}, NONE, None),
    ],
)
@pytest.mark.on_commit(
    "changes2-Quantization.FLOAT16-9",
)
def test_found_in_any_model(
    holds: Any, changes: dict[str, Any], quantization: Quantization, frames: int | None
) -> None:
    config = CONFIG.replace(**changes)
    weights = holds(changed(config, quantization, frames), config)
    assert weights.passed, weights.sentence()


def untrained(arrays: Arrays) -> None:
    """The converter leaves out what changes nothing."""
    for name, array in arrays.items():
        if array.ndim == 1:
            array[:] = "norm" in name and name.endswith("weight")


def a_zero_head(arrays: Arrays) -> None:
    """The kernel is the same with and without the gain that is multiplied into it."""
    arrays["classification_head.out_proj.weight"][:] = 0


def negative_zeros(arrays: Arrays) -> None:
    for array in arrays.values():
        array.reshape(-1)[::5] = -0.0


def dead_rows(arrays: Arrays) -> None:
    """Channels without a range: the converter gives them a small one."""
    for array in arrays.values():
        if array.ndim == 2:
            array[:3] = np.float32([[0], [1e-30], [4e-7]])


def too_large(arrays: Arrays) -> None:
    """For a float16: the converter takes the largest there is."""
    for array in arrays.values():
        array.reshape(-1)[:2] = 70_000, -1e9


@pytest.mark.parametrize(
    ("change", "quantization"),
    [
        (untrained, NONE),
        (untrained, DYNAMIC),
        (a_zero_head, NONE),
        (a_zero_head, FLOAT16),
        (negative_zeros, NONE),
        (dead_rows, DYNAMIC),
        (too_large, FLOAT16),
    ],
)
@pytest.mark.on_commit("dead_rows-Quantization.DYNAMIC")
def test_found_whatever_the_values(holds: Any, change: Change, quantization: Quantization) -> None:
    data = changed(CONFIG, quantization, FRAMES, change)
    weights = holds(data, tensors=tensors_of(CONFIG, change))
    assert weights.passed, weights.sentence()


def places(data: bytes, path: Path) -> dict[str, str]:
    """The names of the constants that hold the weights, by Keras path, in an undamaged file."""
    path.write_bytes(data)
    found = match(model_file.read(path), CONFIG, tensors_of(CONFIG))
    return {weight: held.constant.name for weight, held in found.held.items()}


def test_the_names_are_right(tmp_path: Path) -> None:
    """Weights that the converter moves and does nothing else to, looked up without `match`."""
    data = converted(NONE)
    constants, named = weights_in(bytearray(data)), places(data, tmp_path / "model.tflite")
    tensors = tensors_of(CONFIG)
    plain = [p for p in tensors if p.endswith(("fc2/kernel", "fc2/bias", "out_proj/kernel"))]
    plain.remove("classification_head/out_proj/kernel")
    assert len(plain) == 3 + 3 + 5
    for path in plain:
        np.testing.assert_array_equal(constants[named[path]][0], tensors[path].T)
    # Every constant but one is some weight's, and one alone's.
    (parts,) = constants.keys() - set(named.values())
    np.testing.assert_array_equal(constants[parts][0], own_parts(CONFIG))
    assert sorted([*named.values(), parts]) == sorted(constants)
    keys = {path for path in tensors if path.endswith("k_proj/bias")}
    assert keys - named.keys() == left_out(CONFIG) and len(left_out(CONFIG)) == 2
    for path in left_out(CONFIG):
        kernel = path.replace("bias", "kernel")
        np.testing.assert_array_equal(constants[named[kernel]][0], tensors[kernel])


@pytest.mark.release
@pytest.mark.parametrize("quantization", MODES)
def test_damaged_parts_of_heads(holds: Any, quantization: Quantization) -> None:
    """The constant that is no weight: it may be nothing but what it must be."""
    heads = CONFIG.decoder_attention_heads
    data = bytearray(converted(quantization))
    (values,) = (v for v, _ in weights_in(data).values() if v.shape == (heads, heads, 1))
    flip(values, 3, 0)
    weights = holds(bytes(data))
    (missing,) = weights.missing
    assert missing.startswith("a place for ") and missing.endswith(f"({heads}, {heads}, 1)")
    assert not weights.differing


def damage(
    constant: tuple[np.ndarray, np.ndarray | None], random: np.random.Generator
) -> tuple[int, ...]:
    """Flip a bit of one value of a constant; an int8 one moves by a step. Returns its index."""
    values, scale = constant
    element = int(random.integers(values.size))
    if scale is None:
        bit = int(random.choice([0, random.integers(8 * values.itemsize)]))
        flip(values, element, bit)
    else:
        values.reshape(-1)[element] += -1 if values.reshape(-1)[element] > 0 else 1
    return tuple(int(i) for i in np.unravel_index(element, values.shape))


EVERY_KIND = [*((q, FRAMES) for q in MODES), (NONE, None), (DYNAMIC, None)]


@pytest.mark.parametrize(("quantization", "frames"), EVERY_KIND)
@pytest.mark.on_commit("Quantization.NONE-9", "Quantization.DYNAMIC-None")
def test_one_damaged_value(
    holds: Any, tmp_path: Path, quantization: Quantization, frames: int | None
) -> None:
    random = np.random.default_rng(0)
    data = converted(quantization, frames)
    named = places(data, tmp_path / "model.tflite")
    kinds = ["gamma", "beta", "bias", "embeddings", "q_proj/kernel", "k_proj/kernel", "fc2/kernel"]
    for kind in kinds:
        path = str(random.choice([path for path in named if path.endswith(f"/{kind}")]))
        damaged = bytearray(data)
        constant = weights_in(damaged)[named[path]]
        index = damage(constant, random)
        weights = holds(bytes(damaged))
        (found,) = weights.differing
        assert found.name == path and found.module == path.rpartition("/")[0].replace("/", ".")
        assert found.values == 1 and found.worst == index
        assert not weights.missing
        if constant[1] is None:
            np.testing.assert_equal(found.got, float(constant[0][index]))


@pytest.mark.release
@pytest.mark.parametrize(("quantization", "frames"), EVERY_KIND)
@pytest.mark.parametrize("seed", range(2))
def test_one_damaged_value_of_every_weight(
    holds: Any, tmp_path: Path, quantization: Quantization, frames: int | None, seed: int
) -> None:
    random = np.random.default_rng(seed)
    data = bytearray(converted(quantization, frames))
    named = places(bytes(data), tmp_path / "model.tflite")
    constants = weights_in(data)
    index = {path: damage(constants[name], random) for path, name in named.items()}
    weights = holds(bytes(data))
    assert {d.name: (d.values, d.worst) for d in weights.differing} == {
        path: (1, where) for path, where in index.items()
    }
    assert not weights.missing


def test_every_value_a_step_off() -> None:
    """Whatever the value: only at a tie, half way between two steps, either is right."""
    values = np.random.default_rng(2).standard_normal((300, 40)).astype(np.float32)
    size = (np.abs(values).max(axis=1, keepdims=True) / MOST_STEPS).astype(np.float32)
    rounded = np.rint(values / size).astype(np.int8)
    steps = Steps(size, np.zeros_like(size))
    assert not differs(values, StoredConstant("", rounded, steps), Precision.DYNAMIC).any()
    clear = np.abs(np.abs(values / size - rounded) - 0.5) > 1e-4
    assert clear.mean() > 0.99
    for change in (-1, 1):
        moved = np.clip(rounded.astype(int) + change, -128, 127).astype(np.int8)
        wrong = differs(values, StoredConstant("", moved, steps), Precision.DYNAMIC)
        assert wrong[clear & (moved != rounded)].all()


@pytest.mark.parametrize("bits", [(0,), (13,), (30,), range(32)], ids=str)
def test_a_changed_scale(holds: Any, tmp_path: Path, bits: Sequence[int]) -> None:
    """The values are the same, and what they stand for is not. Bit n is flipped in channel n."""
    data = bytearray(converted(DYNAMIC))
    path = "decoder/layers.1/fc1/kernel"
    values, scale = weights_in(data)[places(bytes(data), tmp_path / "model.tflite")[path]]
    for bit in bits:
        flip(scale, bit, bit)
    (found,) = holds(bytes(data)).differing
    assert (found.name, found.values) == (path, len(bits) * values.shape[1])
    assert found.worst[0] in bits


def test_a_zero_point_that_is_not_0(holds: Any, tmp_path: Path) -> None:
    data = converted(DYNAMIC)
    path = "encoder/layers.0/fc2/kernel"
    name = places(data, tmp_path / "model.tflite")[path].encode()
    model = object_tree.parsed(data)
    tensor = next(t for t in model.subgraphs[0].tensors if t.name == name)
    tensor.quantization.zeroPoint = np.full(CONFIG.d_model, 1)
    (found,) = holds(packed(model)).differing
    assert found.name == path and found.values == found.of


def test_rounding_is_not_taken_for_equal(holds: Any, tmp_path: Path) -> None:
    """One float16 constant in a file of float32 ones."""
    data = converted(NONE)
    path = "decoder/layers.0/fc2/kernel"
    name = places(data, tmp_path / "model.tflite")[path].encode()
    model = object_tree.parsed(data)
    tensor = next(t for t in model.subgraphs[0].tensors if t.name == name)
    values = model.buffers[tensor.buffer].data.view("<f4").astype("<f2")
    model.buffers[tensor.buffer].data, tensor.type = values.view("u1"), 1
    (found,) = holds(packed(model)).differing
    assert found.name == path


def test_two_damaged_weights_of_one_shape(holds: Any, tmp_path: Path) -> None:
    data = bytearray(converted(NONE))
    named = places(bytes(data), tmp_path / "model.tflite")
    paths = ["decoder/layers.0/self_attn/k_proj/bias", "decoder/layers.1/fc2/bias"]
    for path in paths:
        weights_in(data)[named[path]][0][:5] *= 2
    weights = holds(bytes(data))
    assert [(d.name, d.values) for d in weights.differing] == [(path, 5) for path in paths]
    assert not weights.missing


def test_a_weight_that_is_another_altogether(holds: Any, tmp_path: Path) -> None:
    """It is named, not the one that it looks like, which needs no constant of its own."""
    data = bytearray(converted(NONE))
    path = "decoder/layers.0/self_attn/k_proj/bias"
    values, _ = weights_in(data)[places(bytes(data), tmp_path / "model.tflite")[path]]
    values[:] = tensors_of(CONFIG)["encoder/layers.0/final_layer_norm/beta"] * 1.01
    weights = holds(bytes(data))
    (found,) = weights.differing
    assert (found.name, found.values) == (path, 36) and not weights.missing


def test_another_number_of_heads(holds: Any) -> None:
    """Nothing but the scaling of the queries shows it."""
    weights = holds(converted(NONE), CONFIG.replace(encoder_attention_heads=4), tensors_of(CONFIG))
    queries = "encoder/layers.0/self_attn/q_proj"
    assert [d.name for d in weights.differing] == [f"{queries}/kernel", f"{queries}/bias"]
    assert not weights.missing


def test_a_layer_too_few_and_one_too_many(holds: Any) -> None:
    deeper = CONFIG.replace(encoder_layers=2)
    few = holds(converted(NONE), deeper, tensors_of(deeper) | tensors_of(CONFIG))
    assert not few.passed and "encoder/layers.1/fc2/kernel (48, 36)" in few.missing
    shallow = CONFIG.replace(decoder_layers=1)
    many = holds(converted(NONE), shallow)
    assert not many.passed
    assert len([name for name in many.missing if name.startswith("a place for ")]) > 15


def test_bytes_that_do_not_fit_their_shape(holds: Any, tmp_path: Path) -> None:
    data = converted(NONE)
    path = "encoder/layers.0/fc2/kernel"
    name = places(data, tmp_path / "model.tflite")[path].encode()
    model = object_tree.parsed(data)
    tensor = next(t for t in model.subgraphs[0].tensors if t.name == name)
    tensor.shape = np.asarray([36, 47], np.int32)
    assert holds(packed(model)).missing == (f"{path} (48, 36)",)


def test_a_strangers_graph(holds: Any) -> None:
    """One that has a SignBART's signature, and nothing else of it."""
    import tensorflow as tf

    signature = [
        tf.TensorSpec((1, FRAMES, CONFIG.keypoints, 2), name="keypoints"),
        tf.TensorSpec((1, FRAMES), name="attention_mask"),
    ]
    kernel = tf.constant(np.random.default_rng(4).standard_normal((24, 5)), tf.float32)

    @tf.function(input_signature=signature)
    def classify(keypoints: Any, attention_mask: Any) -> dict[str, Any]:
        frames = tf.reshape(keypoints, (FRAMES, 24)) * attention_mask[0, :, None]
        return {"logits": tf.reduce_sum(frames, 0, keepdims=True) @ kernel}

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [classify.get_concrete_function()], tf.Module()
    )
    weights = holds(converter.convert())
    assert not weights.passed
    assert f"projection/proj_x1/kernel {(6, 36)}" in weights.missing
