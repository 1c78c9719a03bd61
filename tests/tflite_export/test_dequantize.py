"""The graph of a dequantized file against Keras with the weights that the file has."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import ops

from signbart_port import transfer
from signbart_port.config import SignBartConfig
from signbart_port.data.model_interface import Interface
from signbart_port.errors import ProofError
from signbart_port.inference.logits import run
from signbart_port.keras_model import SignBart
from signbart_port.keras_model.layers import LayerNorm
from signbart_port.keras_model.weights import assign
from signbart_port.model_files import h5
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.model_files.keras_h5 import build
from signbart_port.pairs.signbart_cases import make_for
from signbart_port.parity.compare import Row
from signbart_port.parity.counting import Counting, largest_difference
from signbart_port.parity.report import Report
from signbart_port.parity.taps import LOGITS
from signbart_port.tflite import constants, model_file, object_tree
from signbart_port.tflite.model_file import SIGNATURE
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export import graph_proof, proof
from signbart_port.tflite_export.conversion import Conversion
from signbart_port.tflite_export.dequantize import dequantized, stored
from signbart_port.tflite_export.graph_proof import GRAPH, GraphProof
from signbart_port.tflite_export.weight_matching import match
from signbart_port.tflite_export.weight_proof import compare
from signbart_port.tflite_export.workers.converter import converted
from signbart_port.transfer import Direction
from signbart_port.verbs import to_tflite
from signbart_port.verbs.convert import convert as convert_checkpoint
from tests.support.converter_in_process import convert_by
from tests.support.framework_models import keras_model
from tests.support.modified_tflite import convert, flip, swapped, weights_in
from tests.support.small_models import Arrays, plan_of, small_config, state_dict

pytestmark = [pytest.mark.usefixtures("converter_here"), pytest.mark.release]

SAMPLE = Path(__file__).parents[2] / "samples" / "synthetic-signs.pth"
# Wide enough that the converter quantizes; neither stack scales its queries by a power of two.
CONFIG = small_config(
    d_model=36, encoder_layers=1, encoder_ffn_dim=48, decoder_layers=2, decoder_ffn_dim=40
)
FRAMES = 9
NONE, FLOAT16, DYNAMIC = Quantization.NONE, Quantization.FLOAT16, Quantization.DYNAMIC
ROUNDED = [FLOAT16, DYNAMIC]


def tensors_of(config: SignBartConfig, arrays: Arrays) -> Arrays:
    return dict(transfer.apply(plan_of(config), Direction.TORCH_TO_KERAS, arrays))


@cache
def converted_once(quantization: Quantization, frames: int | None = FRAMES) -> bytes:
    """The file of `state_dict(CONFIG)`."""
    return convert(keras_model(CONFIG, state_dict(CONFIG)), quantization, frames)


def judged(path: Path, config: SignBartConfig, tensors: Arrays, frames: int) -> Row:
    """The verdict on a file's graph, of so many frames."""
    inputs = make_for(config, frames)
    float32, float64 = (
        np.asarray(model(inputs.keypoints, inputs.attention_mask, training=False))
        for model in (model_of(config, tensors), model_of(config, tensors, "float64"))
    )
    noise = largest_difference(LOGITS, float32, float64, Counting.whole())
    return graph_of(path, config, tensors).row(inputs, noise)


def graph_of(path: Path, config: SignBartConfig, tensors: Arrays) -> GraphProof:
    return GraphProof(model_file.read(path), config, tensors, Interface(config.keypoints))


def model_of(config: SignBartConfig, tensors: Arrays, dtype: str | None = None) -> SignBart:
    model = SignBart(config, dtype=dtype)
    assign(model, tensors.items())
    return model


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> KerasModel:
    path = tmp_path_factory.mktemp("sample") / "model.h5"
    return h5.read(convert_checkpoint(SAMPLE, path, verify=False).out)


@pytest.mark.parametrize("quantization", ROUNDED)
@pytest.mark.parametrize(
    ("changes", "frames", "run_time"),
    [
        ({}, FRAMES, False),
        ({}, FRAMES, True),
        ({}, 1, False),
        ({"encoder_attention_heads": 1, "decoder_attention_heads": 36}, FRAMES, True),
        ({"joint_idx": (3,), "encoder_layers": 3, "decoder_layers": 1}, FRAMES, False),
    ],
)
@pytest.mark.on_commit(
    "changes1-9-True-Quantization.FLOAT16",
)
def test_the_right_graph(
    tmp_path: Path,
    quantization: Quantization,
    changes: dict[str, Any],
    frames: int,
    run_time: bool,
) -> None:
    config = CONFIG.replace(**changes)
    arrays = state_dict(config)
    path = tmp_path / "model.tflite"
    make = converted_once if not changes else partial(convert, keras_model(config, arrays))
    path.write_bytes(make(quantization, None if run_time else frames))
    row = judged(path, config, tensors_of(config, arrays), frames)
    assert row.passed and row.error < row.limit / 2, row.sentence()


@pytest.mark.release
def test_a_small_variance(tmp_path: Path) -> None:
    """It shows the LayerNorm's epsilon, which a float16 file can only have as a float16."""
    arrays = state_dict(CONFIG)
    for name in arrays:
        if name.startswith("projection.") or "embed_positions" in name:
            arrays[name] *= np.float32(1e-3)
    path = tmp_path / "model.tflite"
    path.write_bytes(convert(keras_model(CONFIG, arrays), FLOAT16, FRAMES))
    row = judged(path, CONFIG, tensors_of(CONFIG, arrays), FRAMES)
    assert row.passed, row.sentence()


@pytest.mark.parametrize("quantization", ROUNDED)
@pytest.mark.release
def test_the_real_model(real_h5: Path, tmp_path: Path, quantization: Quantization) -> None:
    done = to_tflite.to_tflite(real_h5, tmp_path / "model.tflite", quantization=quantization)
    row = done.reports[0].rows[0]
    assert row.tap == GRAPH and row.error < row.limit / 2


def of_another(model: SignBart, **changes: Any) -> SignBart:
    """The same weights in a model of another config."""
    other = SignBart(model.config.replace(**changes))
    assign(other, ((weight.path, weight.numpy()) for weight in model.weights))
    return other


def tanh_gelu(model: SignBart, quantization: Quantization) -> bytes:
    other = of_another(model)
    for layer in other._flatten_layers():
        if layer.name == "activation_fn":
            layer.activation = lambda x: ops.gelu(x, approximate=True)
    return convert(other, quantization, FRAMES)


def keras_epsilon(model: SignBart, quantization: Quantization) -> bytes:
    other = of_another(model)
    for layer in other._flatten_layers():
        if isinstance(layer, LayerNorm):
            layer.epsilon = 1e-3
    return convert(other, quantization, FRAMES)


def eight_heads(model: SignBart, quantization: Quantization) -> bytes:
    heads = {"encoder_attention_heads": 8, "decoder_attention_heads": 8}
    return convert(of_another(model, **heads), quantization, FRAMES)


def other_joints(model: SignBart, quantization: Quantization) -> bytes:
    joints = list(model.config.joint_idx)
    joints[7], joints[30] = joints[30], joints[7]
    return convert(of_another(model, joint_idx=tuple(joints)), quantization, FRAMES)


def swapped_kernels(model: SignBart, quantization: Quantization) -> bytes:
    layers = (f"decoder/layers.{i}/out_proj/Tensordot/MatMul" for i in ("0/self_attn", "1"))
    return swapped(convert(model, quantization, FRAMES), *layers)


def swapped_norms(model: SignBart, quantization: Quantization) -> bytes:
    layers = (f"decoder/layers.{i}/self_attn_layer_norm/add/Read" for i in range(2))
    return swapped(convert(model, quantization, FRAMES), *layers)


FAULTS = [tanh_gelu, keras_epsilon, eight_heads, other_joints, swapped_kernels, swapped_norms]
UNSEEN = {tanh_gelu, keras_epsilon}
"""What the logits of either kind of rounded file are too blurred to show."""


@pytest.mark.parametrize("quantization", ROUNDED)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.on_commit("eight_heads-Quantization.DYNAMIC")
def test_a_wrong_graph(
    sample: KerasModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[SignBart, Quantization], bytes],
    quantization: Quantization,
) -> None:
    data = fault(build(sample), quantization)
    reports: list[Report] = []

    def keep(report: Report, row: Row) -> Report:
        reports.append(graph_proof.with_graph(report, row))
        return reports[-1]

    monkeypatch.setattr(proof, "with_graph", keep)
    convert_by(lambda *_: data, monkeypatch)
    with pytest.raises(ProofError, match="is NOT EQUAL, "):
        to_tflite.to_tflite(
            sample.path, tmp_path / "model.tflite", quantization=quantization, frames=FRAMES
        )
    assert not list(tmp_path.iterdir())

    (report,) = reports
    row, logits = report.rows
    assert row.tap == GRAPH and row.error > 10 * row.limit, row.sentence()
    assert report.weights is not None
    # The queries' weights hold the number of heads; the other faults change no value.
    assert report.weights.passed == (fault is not eight_heads)
    if fault in UNSEEN:
        assert logits.passed


def test_a_damaged_weight_is_named(
    sample: KerasModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that no output shows: the lowest bit of one value."""

    def damaged(model: SignBart, conversion: Conversion) -> bytes:
        data = bytearray(converted(model, conversion))
        constants = weights_in(data)
        name = next(n for n in constants if "layers.1/fc2/Tensordot" in n)
        flip(constants[name][0], 77, 0)
        return bytes(data)

    convert_by(damaged, monkeypatch)
    what = r"decoder\.layers\.1\.fc2.*decoder/layers\.1/fc2/kernel: 1 of 8,192 values differ"
    with pytest.raises(ProofError, match=what):
        to_tflite.to_tflite(sample.path, tmp_path / "model.tflite", frames=FRAMES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("quantization", [NONE, DYNAMIC])
@pytest.mark.release
def test_the_report_has_it(sample: KerasModel, tmp_path: Path, quantization: Quantization) -> None:
    done = to_tflite.to_tflite(
        sample.path, tmp_path / "model.tflite", quantization=quantization, dynamic_frames=True
    )
    for report in done.reports:
        taps = [LOGITS] if quantization is NONE else [GRAPH, LOGITS]
        assert [row.tap for row in report.rows] == taps
        assert report.weights is not None and report.weights.values == 183_050


def test_dequantized(tmp_path: Path) -> None:
    """Nothing is int8 any more, and every number is the one it stood for."""
    data = converted_once(DYNAMIC)
    before = {c.name: c for _, c in constants.of(object_tree.parsed(data), SIGNATURE)}
    after = {
        c.name: c
        for _, c in constants.of(object_tree.parsed(dequantized(data, SIGNATURE)), SIGNATURE)
    }
    assert before.keys() == after.keys()
    assert sum(c.steps is not None for c in before.values()) == 26
    for name, constant in after.items():
        assert constant.values.dtype == np.float32
        values, steps = before[name].values, before[name].steps
        exact = values.astype(np.float64) * (1 if steps is None else steps.size)
        np.testing.assert_array_equal(constant.values, exact.astype(np.float32))


def test_widened_runs_as_the_file_does(tmp_path: Path) -> None:
    """Up to LiteRT's rounding of activations."""
    data = converted_once(DYNAMIC)
    logits = []
    for name, content in (("model", data), ("dequantized", dequantized(data, SIGNATURE))):
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(content)
        result = run(model_file.read(path), make_for(CONFIG, FRAMES))
        assert np.isnan(result.milliseconds)
        logits.append(result.outputs)
    apart = np.abs(logits[0] - logits[1]).max()
    assert 1e-4 < apart < 0.1 * np.abs(logits[0]).max()


@pytest.mark.parametrize("frames", [FRAMES, None])
@pytest.mark.on_commit("9")
def test_stored(tmp_path: Path, frames: int | None) -> None:
    """Of a float32 file: the weights themselves, but for what was added or multiplied in."""
    arrays = state_dict(CONFIG)
    tensors = tensors_of(CONFIG, arrays)
    path = tmp_path / "model.tflite"
    path.write_bytes(converted_once(NONE, frames))
    file = model_file.read(path)
    values = stored(match(file, CONFIG, tensors), CONFIG, tensors, file.precision)
    assert values.keys() == tensors.keys()
    moved = {"projection/proj_x1/bias", "projection/proj_y1/bias"} if frames else set()
    moved |= {"encoder/embed_positions/embeddings", "decoder/embed_positions/embeddings"}
    for name, tensor in tensors.items():
        assert values[name].dtype == np.float64 and values[name].shape == tensor.shape
        if name not in moved:
            np.testing.assert_allclose(values[name], tensor, rtol=1e-6, atol=1e-6)
    for stack, axis in (("encoder", "x1"), ("decoder", "y1")):
        table = tensors[f"{stack}/embed_positions/embeddings"]
        bias = f"projection/proj_{axis}/bias"
        expected = table.copy()
        if frames:
            expected[2 : 2 + frames] += tensors[bias]
            assert not values[bias].any()
        np.testing.assert_array_equal(values[f"{stack}/embed_positions/embeddings"], expected)


def test_a_file_that_lacks_a_weight(tmp_path: Path) -> None:
    arrays, deeper = state_dict(CONFIG), CONFIG.replace(encoder_layers=2)
    path = tmp_path / "model.tflite"
    path.write_bytes(converted_once(FLOAT16))
    tensors = tensors_of(deeper, state_dict(deeper)) | tensors_of(CONFIG, arrays)
    row = graph_of(path, deeper, tensors).row(make_for(deeper, FRAMES), 1.0)
    assert not row.passed and row.elements == 0


@pytest.mark.parametrize("quantization", [NONE, *ROUNDED])
def test_noise_for_weights(tmp_path: Path, quantization: Quantization) -> None:
    """Infinities, NaN, steps of any size: every constant differs, and the proof fails."""
    arrays = state_dict(CONFIG)
    tensors = tensors_of(CONFIG, arrays)
    data = bytearray(converted_once(quantization))
    random = np.random.default_rng(0)
    for values, scale in weights_in(data).values():
        for array in (values, scale):
            if array is not None:
                flat = array.reshape(-1).view("u1")
                flat[:] = random.integers(0, 256, flat.size)
    path = tmp_path / "model.tflite"
    path.write_bytes(data)
    file = model_file.read(path)
    weights = compare(file, CONFIG, tensors)
    # All but the parts of the heads, which is no weight.
    assert len(weights.differing) == len(weights_in(data)) - 1
    assert len([what for what in weights.missing if what.startswith("a place for ")]) == 1
    row = graph_of(path, CONFIG, tensors).row(make_for(CONFIG, FRAMES), 1e-7)
    assert not row.passed
