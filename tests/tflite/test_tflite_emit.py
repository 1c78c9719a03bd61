"""tflite, on small models: what the file offers, what its graph computes, what is refused."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from helpers import run_python, small_config, state_dict
from models import keras_model, save_model

import signbart_port
from signbart_port import PortError
from signbart_port.parity import inputs as parity_inputs
from signbart_port.tflite import flatbuffer
from signbart_port.tflite.run import run

# Large enough that the converter quantises: it leaves tensors below 1,024 values as they are.
CONFIG = small_config(
    d_model=36, encoder_layers=1, encoder_ffn_dim=48, decoder_layers=2, decoder_ffn_dim=40
)
FRAMES = 9


@pytest.fixture(scope="module")
def h5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tflite") / "model.h5"
    keras_model(CONFIG, state_dict(CONFIG)).save(path)
    return path


def signature(path: Path) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """The shapes of `serving_default` in the runtime, -1 where they are open."""
    interpreter = Interpreter(str(path))
    assert list(interpreter.get_signature_list()) == ["serving_default"]
    runner = interpreter.get_signature_runner("serving_default")
    inputs, outputs = (
        {name: tensor["shape_signature"].tolist() for name, tensor in details.items()}
        for details in (runner.get_input_details(), runner.get_output_details())
    )
    return inputs, outputs


@pytest.mark.parametrize(
    ("frames", "quantization"),
    [(1, "none"), *product([16, None], ["none", "float16", "dynamic"])],
)
def test_emitted(h5: Path, tmp_path: Path, quantization: str, frames: int | None) -> None:
    """Of a static length, or of one set at run time (None)."""
    out = tmp_path / "model.tflite"
    done = signbart_port.to_tflite(
        h5, out, quantization=quantization, frames=frames, dynamic_frames=frames is None
    )
    assert sorted(tmp_path.iterdir()) == [out]
    checked = [1, 16] if frames is None else [frames]
    assert [report.frames for report in done.reports] == checked
    assert all(report.passed for report in done.reports)

    open_or = frames or -1
    assert signature(out) == (
        {"keypoints": [1, open_or, 12, 2], "attention_mask": [1, open_or]},
        {"logits": [1, CONFIG.num_labels]},
    )
    assert done.file.frames == frames
    assert not [name for name in done.file.ops if name.startswith("custom:")]
    kept = {"none": "FLOAT32", "float16": "FLOAT16", "dynamic": "INT8"}[quantization]
    assert max(done.file.share_of_types().items(), key=lambda share: share[1])[0] == kept
    assert done.file.precision.value == {"none": "float32"}.get(quantization, quantization)


def test_frames_set_at_run_time(h5: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.tflite"
    signbart_port.to_tflite(h5, out, dynamic_frames=True)
    model = signbart_port.load(h5)
    for frames in (1, 2, 5, 16, 3):
        inputs = parity_inputs.make(CONFIG.keypoints, frames)
        expected = model(inputs.keypoints, inputs.attention_mask)
        np.testing.assert_allclose(run(out, inputs).logits, expected, rtol=1e-4, atol=1e-5)


def test_default_name_and_length(tmp_path: Path) -> None:
    """Beside the model, with its name; 64 frames, or all that a shorter model can."""
    keras_model(CONFIG, state_dict(CONFIG)).save(tmp_path / "mine.h5")
    done = signbart_port.to_tflite(tmp_path / "mine.h5")
    assert done.out == tmp_path / "mine.tflite" and done.file.frames == 16


def test_the_last_layer_is_computed_for_one_frame(h5: Path, tmp_path: Path) -> None:
    """Its queries, its cross-attention and its feed-forward network; its keys for all frames."""
    out = tmp_path / "model.tflite"
    signbart_port.to_tflite(h5, out, frames=FRAMES)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(out.read_bytes(), 0))
    graph = model.subgraphs[0]
    rows: dict[int, list[int]] = {}  # how many frames each product computes, by its width
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code == schema.BuiltinOperator.FULLY_CONNECTED:
            shape = graph.tensors[operator.outputs[0]].shape
            rows.setdefault(int(shape[-1]), []).append(int(np.prod(shape[:-1])))
    layers = CONFIG.decoder_layers
    assert sorted(rows[CONFIG.decoder_ffn_dim]) == [1] + [FRAMES] * (layers - 1)
    assert sorted(rows[CONFIG.encoder_ffn_dim]) == [FRAMES] * CONFIG.encoder_layers
    # Of width d_model in the last layer: q and out of both attentions, and fc2.
    assert rows[CONFIG.d_model].count(1) == 5
    every = 2 + 5 * CONFIG.encoder_layers + 9 * layers
    assert rows[CONFIG.d_model].count(FRAMES) == every - 5


def test_pytorch_is_not_imported(tmp_path: Path) -> None:
    """Nor by convert in this process: its PyTorch runs beside it."""
    source = save_model(tmp_path, CONFIG)
    code = """
import sys, signbart_port
signbart_port.convert(sys.argv[1], sys.argv[2])
signbart_port.to_tflite(sys.argv[2], frames=4)
print("torch" in sys.modules, "tensorflow" in sys.modules)
"""
    assert run_python(code, source, source.with_suffix(".h5")).split() == ["False", "True"]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"quantization": "int8"}, "quantization .int8. .* none, float16, dynamic"),
        ({"frames": 0}, "takes 1 to 16 frames, not 0"),
        ({"frames": 17}, "takes 1 to 16 frames, not 17"),
        ({"out": "model.lite"}, r"the file is written as \.tflite"),
        ({"out": "missing/model.tflite"}, "its folder does not exist"),
    ],
)
def test_refused(h5: Path, tmp_path: Path, options: dict[str, Any], what: str) -> None:
    out = tmp_path / options.pop("out", "model.tflite")
    with pytest.raises(PortError, match=what):
        signbart_port.to_tflite(h5, out, **options)
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_kept(h5: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.tflite"
    out.write_bytes(b"the model of yesterday")
    with pytest.raises(PortError, match="--force"):
        signbart_port.to_tflite(h5, out, frames=4)
    assert out.read_bytes() == b"the model of yesterday"
    signbart_port.to_tflite(h5, out, frames=4, force=True)
    assert flatbuffer.read(out).frames == 4


def test_a_checkpoint_is_not_a_keras_model(tmp_path: Path) -> None:
    source = save_model(tmp_path, CONFIG)
    with pytest.raises(PortError, match="not a Keras model"):
        signbart_port.to_tflite(source, tmp_path / "model.tflite")
    assert not (tmp_path / "model.tflite").exists()
