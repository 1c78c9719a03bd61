"""verify, on every pair of kinds: equal files, files that are not, and files that are no models."""

from __future__ import annotations

import json
from itertools import combinations_with_replacement, product
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf
from helpers import save_pth, small_config, state_dict
from models import save_model

import signbart_port
from signbart_port import Options, PortError
from signbart_port.cli import main
from signbart_port.parity.compare import LOGITS

CONFIG = small_config()
WRONG = "decoder.layers.1.encoder_attn.v_proj"
KINDS = ("pth", "h5", "tflite")
PAIRS = list(product(KINDS, KINDS))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `model` and `other` as .pth, .h5 and .tflite; they differ in one weight."""
    folder = tmp_path_factory.mktemp("verify")
    arrays = state_dict(CONFIG)
    save_model(folder, CONFIG, arrays)
    changed = arrays[f"{WRONG}.weight"].copy()
    changed[2, 3] += 0.01
    save_model(folder, CONFIG, arrays | {f"{WRONG}.weight": changed}, "other")
    for name in ("model", "other"):
        h5 = folder / f"{name}.h5"
        signbart_port.convert(h5.with_suffix(".pth"), h5, verify=False)
        signbart_port.to_tflite(h5, frames=9)
    return folder


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_equal(files: Path, a: str, b: str) -> None:
    report = signbart_port.verify(files / f"model.{a}", files / f"model.{b}")
    assert report.passed, report.verdict()
    assert report.agreement == (7, 7)
    nearer, further = sorted((a, b), key=KINDS.index)
    assert report.reference.endswith(nearer) and report.candidate.endswith(further)
    taps = [row.tap for row in report.rows]
    if "tflite" in (a, b):
        assert taps == [LOGITS] and report.frames == 9
    else:
        assert len(taps) > 90 and taps[-1] == LOGITS and WRONG in taps


@pytest.mark.parametrize(("a", "b"), list(combinations_with_replacement(KINDS, 2)))
def test_another_model(files: Path, a: str, b: str) -> None:
    report = signbart_port.verify(files / f"model.{a}", files / f"other.{b}")
    assert not report.passed
    assert report.blame is not None
    assert report.blame.module == (LOGITS if (a, b) == ("tflite", "tflite") else WRONG)
    assert report.verdict().startswith(f"{report.blame.module}: {report.blame.evidence.value}")
    if "tflite" not in (a, b):
        (wrong,) = report.weights.differing
        assert (wrong.module, wrong.values, wrong.worst) == (WRONG, 1, (2, 3))
        assert wrong.largest == pytest.approx(0.01)


def test_a_rounded_file_is_held_to_its_precision(files: Path, tmp_path: Path) -> None:
    """Whatever it is called: told by what is in it."""
    out = tmp_path / "float32.tflite"
    signbart_port.to_tflite(files / "model.h5", out, quantization="float16", frames=9)
    report = signbart_port.verify(files / "model.pth", out)
    assert report.passed
    assert report.logits.error > 10 * report.logits.noise


def test_the_config_comes_from_the_other_file(files: Path, tmp_path: Path) -> None:
    alone = save_pth(tmp_path / "alone.pth", state_dict(CONFIG))
    assert signbart_port.verify(alone, files / "model.h5").passed
    with pytest.raises(PortError, match="--config FILE"):
        signbart_port.verify(alone, files / "model.tflite")
    options = Options(config=str(files / "model.yaml"))
    assert signbart_port.verify(alone, files / "model.tflite", options).passed


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"num_labels": 6}, "6 labels, .* has 5|5 labels, .* has 6"),
        ({"joint_idx": (11, 0, 2, 3, 5, 12)}, "13 joints, .* has 12|12 joints, .* has 13"),
    ],
    ids=["labels", "joints"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_other_sizes(
    files: Path, tmp_path: Path, kind: str, changes: dict[str, object], what: str
) -> None:
    config = CONFIG.replace(**changes)
    save_model(tmp_path, config, name="sizes")
    signbart_port.convert(tmp_path / "sizes.pth", tmp_path / "sizes.h5", verify=False)
    with pytest.raises(PortError, match=what):
        signbart_port.verify(tmp_path / "sizes.h5", files / f"model.{kind}")


def test_other_lengths(files: Path, tmp_path: Path) -> None:
    signbart_port.to_tflite(files / "model.h5", tmp_path / "five.tflite", frames=5)
    with pytest.raises(PortError, match=r"takes 5 frames, model\.tflite 9"):
        signbart_port.verify(files / "model.tflite", tmp_path / "five.tflite")
    short = CONFIG.replace(max_position_embeddings=8)
    signbart_port.convert(save_model(tmp_path, short), tmp_path / "short.h5", verify=False)
    with pytest.raises(PortError, match=r"takes 9 frames, short\.h5 fewer"):
        signbart_port.verify(files / "model.tflite", tmp_path / "short.h5")


@pytest.mark.parametrize("other", ["model.h5", "model.tflite", "model.pth"])
def test_a_keras_file_that_is_not_its_config(files: Path, tmp_path: Path, other: str) -> None:
    """Refused by name, whichever side it is on."""
    lacking = tmp_path / "lacking.h5"
    lacking.write_bytes((files / "model.h5").read_bytes())
    with h5py.File(lacking, "r+") as file:
        del file["model_weights/encoder/encoder/layers.0/fc1/bias"]
    for pair in ((lacking, files / other), (files / other, lacking)):
        with pytest.raises(PortError, match=r"lacking\.h5: MISSING encoder/layers\.0/fc1/bias"):
            signbart_port.verify(*pair)


def test_two_rounded_files_say_how_little_they_show(files: Path, tmp_path: Path) -> None:
    rounded = [tmp_path / f"{name}.tflite" for name in ("one", "two")]
    for path in rounded:
        signbart_port.to_tflite(files / "model.h5", path, quantization="float16", frames=9)
    report = signbart_port.verify(*rounded)
    assert report.passed and report.weights is None
    assert any("two .tflite show logits alone" in note for note in report.notes)
    against_model = signbart_port.verify(files / "model.pth", rounded[0])
    assert [row.tap for row in against_model.rows] == ["graph", LOGITS]
    assert against_model.weights is not None and against_model.weights.tensors == 122
    assert not any("two .tflite" in note for note in against_model.notes)


def test_a_truncated_tflite(files: Path, tmp_path: Path) -> None:
    whole = (files / "model.tflite").read_bytes()
    path = tmp_path / "truncated.tflite"
    for length in (0, 1, 8, 100, len(whole) // 10, len(whole) // 2, len(whole) * 9 // 10):
        path.write_bytes(whole[:length])
        with pytest.raises(PortError) as refusal:
            signbart_port.verify(files / "model.h5", path)
        assert str(refusal.value).startswith(str(path)), length


def test_a_damaged_tflite(files: Path, tmp_path: Path) -> None:
    """Whatever damage does to the interpreter, which crashes on some of it, it is reported."""
    whole = bytearray((files / "model.tflite").read_bytes())
    path = tmp_path / "damaged.tflite"
    for seed in range(12):
        rng = np.random.default_rng(seed)
        data = whole.copy()
        for at in rng.integers(8, len(data), 60):
            data[at] ^= 0xFF
        path.write_bytes(data)
        try:
            assert not signbart_port.verify(files / "model.tflite", path).passed, seed
        except PortError as refusal:
            assert str(refusal).startswith(str(path)) and len(str(refusal).splitlines()) == 1


def tflite_of(path: Path, **inputs: list[int]) -> Path:
    """A .tflite that is no SignBART: it adds its inputs."""

    @tf.function(input_signature=[tf.TensorSpec(s, name=n) for n, s in inputs.items()])
    def add(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"logits": tf.add_n([tf.reduce_sum(t, keepdims=True) for t in tensors])}

    module = tf.Module()
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [add.get_concrete_function()], module
    )
    path.write_bytes(converter.convert())
    return path


@pytest.mark.parametrize(
    "inputs",
    [{"x": [1, 3]}, {"keypoints": [1, 9, 12, 2]}, {"keypoints": [1, 9], "attention_mask": [1, 9]}],
    ids=["other names", "no mask", "other ranks"],
)
def test_another_signature(files: Path, tmp_path: Path, inputs: dict[str, list[int]]) -> None:
    other = tflite_of(tmp_path / "other.tflite", **inputs)
    with pytest.raises(PortError, match="its signature is not a SignBART's"):
        signbart_port.verify(files / "model.tflite", other)


@pytest.mark.parametrize(
    ("a", "b", "code", "says"),
    [
        ("model.h5", "model.tflite", 0, "equal: 1 outputs"),
        ("model.tflite", "other.h5", 1, "other weights than the reference's"),
        ("model.h5", "nothing.tflite", 2, "nothing.tflite: does not exist"),
        ("model.h5", "model.yaml", 2, "model.yaml: is"),
    ],
)
def test_the_command(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    a: str,
    b: str,
    code: int,
    says: str,
) -> None:
    arguments = ["signbart-port", "verify", str(files / a), str(files / b)]
    for extra in ([], ["--json"]):
        monkeypatch.setattr("sys.argv", [*arguments, *extra])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        assert end.value.code == code
        if code == 2:
            assert printed.out == "" and len(printed.err.splitlines()) == 1
            assert printed.err.startswith("signbart-port: ") and says in printed.err
        elif extra:
            report = json.loads(printed.out)
            assert report["passed"] is (code == 0) and says in report["verdict"]
            assert report["rows"][-1]["tap"] == "logits"
        else:
            assert says in printed.out
