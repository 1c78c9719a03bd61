"""tflite, on small models: what the file offers, what its graph computes, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

import signbart_port
from signbart_port import PortError
from signbart_port.inference.logits import run
from signbart_port.pairs import signbart_cases as parity_inputs
from signbart_port.tflite import model_file, object_tree
from tests.support.framework_models import keras_model
from tests.support.small_models import small_config, state_dict

pytestmark = pytest.mark.usefixtures("converter_here")

# Large enough that the converter quantizes: it leaves tensors below 1,024 values as they are.
CONFIG = small_config(
    d_model=36, encoder_layers=1, encoder_ffn_dim=48, decoder_layers=2, decoder_ffn_dim=40
)
FRAMES = 9


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nearly all of a file of this model is weights."""
    config = CONFIG.replace(
        d_model=128, encoder_ffn_dim=256, decoder_ffn_dim=256, max_position_embeddings=32
    )
    path = tmp_path_factory.mktemp("large") / "model.h5"
    keras_model(config, state_dict(config)).save(path)
    return path


@pytest.fixture(scope="module")
def h5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tflite") / "model.h5"
    keras_model(CONFIG, state_dict(CONFIG)).save(path)
    return path


def signatures(path: Path) -> dict[str, dict[str, list[int]]]:
    """The shapes of what each signature takes and gives in the runtime, -1 where they are open."""
    interpreter = Interpreter(str(path))
    found = {}
    for name in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(name)
        details = runner.get_input_details() | runner.get_output_details()
        found[name] = {edge: one["shape_signature"].tolist() for edge, one in details.items()}
    return found


def shapes(frames: int) -> dict[str, list[int]]:
    return {
        "keypoints": [1, frames, CONFIG.keypoints, 2],
        "attention_mask": [1, frames],
        "logits": [1, CONFIG.num_labels],
    }


@pytest.mark.parametrize(
    ("frames", "quantization"),
    [(1, "none"), *product([16, None], ["none", "float16", "dynamic"])],
)
@pytest.mark.on_commit("None-dynamic", "16-none")
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

    assert len(done.milliseconds) == len(checked)
    assert all(0 < milliseconds < 1000 for milliseconds in done.milliseconds)

    assert signatures(out) == {"serving_default": shapes(frames or -1)}
    assert done.file.frames == frames and model_file.read_all(out) == done.files
    assert not [name for name in done.file.ops if name.startswith("custom:")]
    kept = {"none": "FLOAT32", "float16": "FLOAT16", "dynamic": "INT8"}[quantization]
    assert max(done.file.share_of_types().items(), key=lambda share: share[1])[0] == kept
    assert done.file.precision.value == {"none": "float32"}.get(quantization, quantization)


@pytest.mark.release
def test_frames_set_at_run_time(h5: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.tflite"
    done = signbart_port.to_tflite(h5, out, dynamic_frames=True)
    assert_logits(h5, done.files, (1, 2, 5, 16, 3))


def assert_logits(h5: Path, files: tuple[model_file.TFLiteFile, ...], lengths: Any) -> None:
    """Every signature gives what Keras does for clips of every kind of mask; or of all these
    lengths, where it takes any."""
    model = signbart_port.load(h5)
    for file in files:
        for frames in [file.frames] if file.frames else lengths:
            inputs = parity_inputs.make(model.config.keypoints, frames)
            expected = np.asarray(model(inputs.keypoints, inputs.attention_mask))
            assert np.ptp(expected, axis=0).min() > 0.01, "the clips are told apart"
            np.testing.assert_allclose(run(file, inputs).outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("lengths", "quantization"),
    [((9, 4), "none"), ((4, 16, 9), "none"), ((1, 9, 16), "float16"), ((1, 16, 9), "dynamic")],
)
@pytest.mark.on_commit("lengths3-dynamic")
def test_several_lengths(
    h5: Path, tmp_path: Path, lengths: tuple[int, ...], quantization: str
) -> None:
    """A signature each, in whatever order they are asked for; the longest is the default."""
    out = tmp_path / "model.tflite"
    done = signbart_port.to_tflite(h5, out, frames=lengths, quantization=quantization)
    shorter = sorted(lengths)[:-1]
    assert signatures(out) == {"serving_default": shapes(max(lengths))} | {
        f"frames_{frames}": shapes(frames) for frames in shorter
    }
    assert done.file.signature == "serving_default"
    assert [file.frames for file in done.files] == sorted(lengths, reverse=True)
    assert sorted(report.frames for report in done.reports) == sorted(lengths)
    assert len(done.milliseconds) == len(lengths)
    for report in done.reports:
        assert report.passed and report.weights is not None and report.weights.passed
    if quantization == "none":
        assert_logits(h5, done.files, ())


@pytest.mark.parametrize("quantization", ["none", "float16", "dynamic"])
@pytest.mark.release
def test_several_lengths_share_their_weights(
    large: Path, tmp_path: Path, quantization: str
) -> None:
    sizes = []
    for lengths in ((32,), (8, 32), (8, 16, 32)):
        out = tmp_path / f"{len(lengths)}.tflite"
        signbart_port.to_tflite(large, out, frames=lengths, quantization=quantization)
        sizes.append(out.stat().st_size)
    assert sizes == sorted(sizes)
    assert sizes[1] < 1.08 * sizes[0] and sizes[2] < 1.15 * sizes[0], sizes


@pytest.mark.release
def test_the_last_layer_is_computed_for_one_frame(h5: Path, tmp_path: Path) -> None:
    """Its queries, its attentions and its feed-forward network; keys and values for no frame, but
    once for each head."""
    out = tmp_path / "model.tflite"
    signbart_port.to_tflite(h5, out, frames=FRAMES)
    model = object_tree.parsed(out.read_bytes())
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
    assert rows[CONFIG.d_model].count(CONFIG.decoder_attention_heads) == 4
    every = 2 + 5 * CONFIG.encoder_layers + 9 * layers
    assert rows[CONFIG.d_model].count(FRAMES) == every - 9
    assert len(rows[CONFIG.d_model]) == every


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (
            {"quantization": "int4"},
            "quantization .int4. .* none, float16, dynamic, int8, int8_full",
        ),
        ({"quantization": "int8"}, "int8 needs real clips.* calibration=DIR"),
        ({"frames": 0}, "takes 1 to 16 frames, not 0"),
        ({"frames": 17}, "takes 1 to 16 frames, not 17"),
        ({"frames": (4, 17, 9)}, "takes 1 to 16 frames, not 17"),
        ({"frames": ()}, "no number of frames"),
        ({"frames": 17, "dynamic_frames": True}, "takes 1 to 16 frames, not 17"),
        ({"skeleton": 75}, "skeleton is that of raw clips, and there are none"),
        ({"preprocessing": True, "skeleton": 74}, "skeleton=74: '74' is no skeleton that"),
        ({"out": "model.lite"}, r"the file is written as \.tflite"),
        ({"out": "missing/model.tflite"}, "its folder does not exist"),
    ],
)
def test_refused(h5: Path, tmp_path: Path, options: dict[str, Any], what: str) -> None:
    out = tmp_path / options.pop("out", "model.tflite")
    with pytest.raises(PortError, match=what):
        signbart_port.to_tflite(h5, out, **options)
    assert not list(tmp_path.iterdir())


Program = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--frames 0", "takes 1 to 16 frames, not 0"),
        ("--frames -4", "takes 1 to 16 frames, not -4"),
        ("--frames 17", "takes 1 to 16 frames, not 17"),
        ("--frames 4,9,17", "takes 1 to 16 frames, not 17"),
        ("--frames 4,9,4", "--frames names a length twice"),
        ("--frames sixteen", "--frames sixteen: not a number, nor several"),
        ("--frames 4,", "--frames 4,: not a number, nor several. Such as 64, or 16,32,64"),
        ("--frames 4.5", "--frames 4.5: not a number"),
        ("--frames 4,9 --dynamic-frames", "several --frames and --dynamic-frames do not go toge"),
    ],
)
def test_refused_frames(
    h5: Path, tmp_path: Path, program: Program, arguments: str, says: str
) -> None:
    out = tmp_path / "model.tflite"
    code, printed, err = program("tflite", h5, "-o", out, *arguments.split())
    assert (code, printed) == (2, "")
    assert err.startswith("signbart-port: ") and says in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.release
def test_what_is_said_of_several_lengths(h5: Path, tmp_path: Path, program: Program) -> None:
    out = tmp_path / "model.tflite"
    code, printed, _ = program("tflite", h5, "-o", out, "--frames", "9,4,6", "--json")
    told = json.loads(printed)
    assert code == 0 and told["frames"] == 9
    assert told["signatures"] == {"serving_default": 9, "frames_6": 6, "frames_4": 4}
    assert len(told["reports"]) == len(told["milliseconds"]) == 3
    code, printed, _ = program("tflite", h5, "-o", out, "--frames", "9,4,6", "--force")
    assert code == 0 and "and frames_6, frames_4" in printed
    assert all(f" ms a clip of {frames}" in printed for frames in (9, 6, 4))


def test_an_existing_file_is_kept(h5: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.tflite"
    out.write_bytes(b"the model of yesterday")
    with pytest.raises(PortError, match="force=True"):
        signbart_port.to_tflite(h5, out, frames=4)
    assert out.read_bytes() == b"the model of yesterday"
    signbart_port.to_tflite(h5, out, frames=4, force=True)
    assert model_file.read(out).frames == 4


def test_a_tflite_is_no_model_to_begin_with(h5: Path, tmp_path: Path) -> None:
    signbart_port.to_tflite(h5, tmp_path / "model.tflite", frames=4)
    with pytest.raises(PortError, match="is a TFLite model, not a Keras model"):
        signbart_port.to_tflite(tmp_path / "model.tflite", tmp_path / "again.tflite")
    assert not (tmp_path / "again.tflite").exists()
