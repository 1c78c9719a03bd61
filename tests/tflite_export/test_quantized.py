"""Every mode from model.h5 to a judged and proven file, on small and on real clips."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from signbart_port.data import clips
from signbart_port.data.clips import RealClips
from signbart_port.data.dataset import open_dataset
from signbart_port.data.model_interface import Interface
from signbart_port.data.preprocessing import prepare, shorten
from signbart_port.metrics.accuracy import measure
from signbart_port.model_files import h5
from signbart_port.model_files.keras_h5 import build
from signbart_port.tflite import model_file, object_tree
from signbart_port.tflite.modes import Precision, Quantization
from signbart_port.tflite_export import gate
from signbart_port.tflite_export.conversion import Conversion
from signbart_port.tflite_export.quantization import Integers, running
from signbart_port.tflite_export.workers import converter
from signbart_port.verbs.to_tflite import Emitted
from tests.support.trained_models import CONFIG, EACH

MODES = [mode.value for mode in Quantization]
CALIBRATED = ("int8", "int8_full", "int16x8")
LONGEST = CONFIG.max_position_embeddings


def judged_on(signs: Path) -> RealClips:
    return clips.of_split(open_dataset(signs), CONFIG, test=True, skip_bad=False)


def results(
    path: Path, fed: Iterator[np.ndarray], signature: str = "serving_default"
) -> np.ndarray:
    """(N, labels), by the interpreter alone: what an app has."""
    runner = Interpreter(str(path), num_threads=1).get_signature_runner(signature)
    details = runner.get_input_details()
    given = []
    for clip in fed:
        frames = details["attention_mask"]["shape"][1]
        padded = np.pad(clip, ((0, frames - len(clip)), (0, 0), (0, 0)))
        mask = (np.arange(frames) < len(clip)).astype(np.float32)
        values = {"keypoints": padded[None], "attention_mask": mask[None]}
        ((name, result),) = runner(
            **{name: as_input(values[name], details[name]) for name in values}
        ).items()
        given.append(as_float(result, runner.get_output_details()[name])[0])
    return np.array(given)


def as_input(values: np.ndarray, details: dict) -> np.ndarray:
    if details["dtype"] == np.float32:
        return values.astype(np.float32)
    scale, zero = details["quantization"]
    return np.clip(np.round(values / scale) + zero, -128, 127).astype(details["dtype"])


def as_float(values: np.ndarray, details: dict) -> np.ndarray:
    if details["dtype"] == np.float32:
        return values
    scale, zero = details["quantization"]
    return (values.astype(float) - zero) * scale


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.on_commit("int8")
def test_a_file_of_each_mode(mode: str, emitted: Callable[[str], Emitted], signs: Path) -> None:
    done = emitted(mode)
    assert list(done.out.parent.iterdir()) == [done.out]
    assert done.quantization.value == mode and done.kept.modules == ()
    known = judged_on(signs)

    assert done.accuracy is not None
    keras, file = done.accuracy.scores
    assert (keras.model, file.model) == ("model.h5", f"{mode} .tflite")
    assert done.accuracy.clips == CONFIG.num_labels * EACH["test"]
    assert keras.top1 == file.top1 == file.agreement == 1 and done.accuracy.drop == 0
    as_read = (lambda clip: clip) if mode == "int8" else prepare
    given = results(done.out, (as_read(shorten(clip, LONGEST)) for clip in known.keypoints))
    np.testing.assert_array_equal(given.argmax(axis=1), known.targets)

    assert len(done.reports) == len(done.files)
    for report in done.reports:
        assert report.passed and report.weights is not None
        assert not report.weights.differing and not report.weights.missing
        taps = ["logits"] if mode == "none" else ["graph", "logits"]
        assert [row.module for row in report.rows] == taps


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.on_commit("int8")
def test_what_a_file_computes_with(mode: str, emitted: Callable[[str], Emitted]) -> None:
    """Read off the file: the label is no promise."""
    file = emitted(mode).file
    assert (
        file.precision
        is {
            "none": Precision.FLOAT32,
            "float16": Precision.FLOAT16,
            "dynamic": Precision.DYNAMIC,
            "int8": Precision.INT8,
            "int8_full": Precision.INT8,
            "int16x8": Precision.INT16X8,
        }[mode]
    )
    edge = "INT8" if mode == "int8_full" else "FLOAT32"
    assert file.inputs["keypoints"].type == file.outputs[file.output].type == edge
    integers = {"int8": "INT8", "int8_full": "INT8", "int16x8": "INT16"}
    assert set(file.products) == {integers.get(mode, "FLOAT32")}
    assert (file.runtime is None) == (mode in integers), "the converter spoke of another file"
    assert not [name for name in file.ops if name.startswith("custom:")]


@pytest.mark.parametrize("mode", MODES)
def test_the_clips_of_calibration(mode: str, emitted: Callable[[str], Emitted]) -> None:
    """Training clips, every sign as often; none where there is nothing to calibrate."""
    names = emitted(mode).calibrated_on
    if mode not in CALIBRATED:
        assert names == ()
        return
    assert len(names) == len(set(names)) == CONFIG.num_labels * EACH["train"]
    assert all(name.startswith("train_") for name in names)


def test_a_wide_integer_file_is_nearer(emitted: Callable[[str], Emitted]) -> None:
    narrow, wide, none = (
        emitted(mode).reports[0].logits.error for mode in ("int8_full", "int16x8", "none")
    )
    assert none < wide < narrow


def test_several_lengths_share_their_weights(emitted: Callable[[str], Emitted]) -> None:
    done = emitted("int8")
    lengths = [16, 4]
    assert [file.frames for file in done.files] == lengths
    assert [report.frames for report in done.reports] == lengths
    assert [file.signature for file in done.files] == ["serving_default", "frames_4"]
    model = object_tree.parsed(done.out.read_bytes())
    long, short = (
        {t.buffer for t in graph.tensors if t.type == schema.TensorType.INT8} - {0}
        for graph in (object_tree.graph_of(model, file.signature) for file in done.files)
    )
    alone = sum(len(model.buffers[place].data) for place in short - long)
    positions = 2 * 4 * CONFIG.d_model
    assert positions <= alone < positions + 16, "positions, and a few numbers"


def test_a_short_signature(emitted: Callable[[str], Emitted], signs: Path) -> None:
    """With the ranges that were seen in the longest."""
    known, done = judged_on(signs), emitted("int8")
    few = [n for n, clip in enumerate(known.keypoints) if len(clip) <= 4]
    assert few
    given = results(done.out, (known.keypoints[n] for n in few), "frames_4")
    np.testing.assert_array_equal(given.argmax(axis=1), known.targets[few])


def test_raw_keypoints_and_probabilities(emitted: Callable[[str], Emitted], signs: Path) -> None:
    """Integers begin after the preparation of keypoints."""
    done = emitted("int8")
    for file in done.files:
        assert set(file.products) == {"INT8"}
        assert file.inputs["keypoints"].shape == (1, file.frames, 75, 2)
        assert file.output == "probabilities"
        assert 0 < file.computed["FLOAT32"] < file.computed["INT8"]
    given = results(done.out, (shorten(clip, LONGEST) for clip in judged_on(signs).keypoints))
    assert given.min() >= 0 and given.max() <= 1
    np.testing.assert_allclose(given.sum(axis=1), 1, atol=0.02)


@pytest.mark.release
def test_padding_is_hidden_though_no_clip_had_any(
    fitted_h5: Path, signs: Path, tmp_path: Path
) -> None:
    """Every clip of calibration fills a short file: its mask still has to hide what is padded."""
    keras, interface, frames = h5.read(fitted_h5), Interface(CONFIG.keypoints), 4
    conversion = Conversion((frames,), Quantization.INT8, interface)
    (tmp_path / "float.tflite").write_bytes(converter.converted(build(keras), conversion))
    known = clips.for_calibration(signs, CONFIG, count=100, seed=0, skip_bad=False)
    full = known.inputs(interface, CONFIG, frames, frames)
    assert full.attention_mask.all()
    out = tmp_path / "int8.tflite"
    with running(tmp_path, Integers(Quantization.INT8), out, full) as work:
        work.answer()
    runner = Interpreter(str(out)).get_signature_runner()
    mask = np.float32([[1, 1, 0, 0]])
    for clip in full.keypoints[::10]:
        zero, other = clip.copy()[None], clip[None]
        zero[:, 2:] = 0
        given, same = (runner(keypoints=k, attention_mask=mask)["logits"] for k in (zero, other))
        np.testing.assert_array_equal(given, same)


@pytest.fixture(scope="module")
def real_signs(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Signer 08's clips to judge on, the others' to calibrate on."""
    out = tmp_path_factory.mktemp("real") / "signs"
    script = shared_data / "expand.py"
    subprocess.run(
        [sys.executable, script, out, "--holdout", "user08"], check=True, capture_output=True
    )
    return out


@pytest.fixture(scope="module")
def real_files(
    real_h5: Path, real_signs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """A file of each mode of the real model, the float32 one converted and calibrated once."""
    folder = tmp_path_factory.mktemp("real_files")
    keras = h5.read(real_h5)
    model, interface = build(keras), Interface(keras.config.keypoints)

    def of(mode: str) -> Path:
        out, quantization = folder / f"{mode}.tflite", Quantization(mode)
        source = folder / "float.tflite" if quantization.calibrated else out
        if not source.exists():
            conversion = Conversion((64,), quantization, interface)
            source.write_bytes(converter.converted(model, conversion))
        if quantization.calibrated:
            calibration = clips.for_calibration(
                real_signs, keras.config, count=100, seed=0, skip_bad=False
            )
            read = calibration.inputs(interface, keras.config, 64, 64)
            with running(folder, Integers(quantization), out, read) as work:
                work.answer()
        return out

    return of


@pytest.mark.parametrize(
    ("mode", "changed", "most_drop", "share"),
    [
        ("none", 0, 0.0, 1.0),
        ("float16", 0, 0.0, 0.51),
        ("dynamic", 1, 2.0, 0.30),
        ("int8", 3, 2.0, 0.30),
        ("int8_full", 3, 2.0, 0.30),
        ("int16x8", 1, 2.0, 0.30),
    ],
)
@pytest.mark.release
def test_real_clips(
    mode: str,
    changed: int,
    most_drop: float,
    share: float,
    real_h5: Path,
    real_signs: Path,
    real_files: Callable[[str], Path],
    recorded: dict[str, np.ndarray],
) -> None:
    """Against what the published code computed for signer 08."""
    path, config = real_files(mode), h5.read(real_h5).config
    known = clips.of_split(open_dataset(real_signs), config, test=True, skip_bad=False)
    order = [recorded["names"].tolist().index(name) for name in known.names]
    published = recorded["logits_float32"][order]
    given = gate.file_outputs(model_file.read_all(path), known, Interface(config.keypoints), config)
    accuracy = measure(
        {"published": published, mode: given}, known.targets, known.names, known.labels
    )
    assert accuracy.clips == 60 and round(60 * accuracy.reference.top1) == 53
    assert round(60 * (1 - accuracy.candidate.agreement)) <= changed
    assert accuracy.drop <= most_drop
    assert path.stat().st_size <= share * real_files("none").stat().st_size
