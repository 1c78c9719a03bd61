"""verify, on every pair of kinds: equal files, files that are not, and files that are no models."""

from __future__ import annotations

import json
import re
import shutil
from itertools import combinations_with_replacement, product
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf

import signbart_port
from signbart_port import Options, PortError
from signbart_port.cli import _show, main
from signbart_port.data.model_interface import Interface
from signbart_port.keras_model import decoder, masks
from signbart_port.model_files import h5, stated_config
from signbart_port.model_files.keras_h5 import build
from signbart_port.parity.taps import LOGITS
from signbart_port.tflite import metadata
from signbart_port.tflite.card_facts import card_facts
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export.conversion import Conversion
from signbart_port.tflite_export.workers.converter import converted
from tests.support.framework_models import keras_model, save_model
from tests.support.small_models import save_pth, small_config, state_dict

pytestmark = pytest.mark.usefixtures("converter_here")

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
@pytest.mark.on_commit("pth-h5", "h5-tflite")
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
@pytest.mark.on_commit("pth-h5", "h5-tflite")
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


@pytest.fixture(scope="module")
def rounded(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whatever it is called, a float16 file."""
    out = tmp_path_factory.mktemp("rounded") / "float32.tflite"
    return signbart_port.to_tflite(files / "model.h5", out, quantization="float16", frames=9).out


def test_a_rounded_file_is_held_to_its_precision(files: Path, rounded: Path) -> None:
    """Told by what is in it."""
    report = signbart_port.verify(files / "model.pth", rounded)
    assert report.passed
    assert report.logits.error > 10 * report.logits.noise


@pytest.mark.release
def test_the_config_comes_from_the_other_file(files: Path, tmp_path: Path) -> None:
    alone = save_pth(tmp_path / "alone.pth", state_dict(CONFIG))
    assert signbart_port.verify(alone, files / "model.h5").passed
    with pytest.raises(PortError, match=r"Options\.config=FILE"):
        signbart_port.verify(alone, files / "model.tflite")
    options = Options(config=str(files / "model.yaml"))
    assert signbart_port.verify(alone, files / "model.tflite", options).passed


LENGTHS = (9, 6, 4)


@pytest.fixture(scope="module")
def several(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `model` and `wrong` of three lengths; of the second, one is wrong: it
    classifies the frame before the last."""
    folder = tmp_path_factory.mktemp("several")
    signbart_port.to_tflite(files / "model.h5", folder / "model.tflite", frames=LENGTHS)

    def before(mask: tf.Tensor) -> tf.Tensor:
        last = masks.last_frame(mask)
        return tf.maximum(last - 1, 0) if mask.shape[1] == 6 else last

    interface = Interface(CONFIG.keypoints)
    conversion = Conversion(LENGTHS, Quantization.NONE, interface)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder, "last_frame", before)
        data = converted(build(h5.read(files / "model.h5")), conversion)
    (folder / "wrong.tflite").write_bytes(data)
    return folder


@pytest.mark.parametrize("kind", ["pth", "h5"])
@pytest.mark.release
def test_every_signature(files: Path, several: Path, kind: str) -> None:
    report = signbart_port.verify(files / f"model.{kind}", several / "model.tflite")
    assert report.passed and report.frames == 9
    assert "equal too: the signatures for 6, 4 frames" in report.notes
    report = signbart_port.verify(files / f"model.{kind}", several / "wrong.tflite")
    assert not report.passed and report.frames == 6
    assert report.weights is not None and report.weights.passed
    assert "equal too: the signatures for 9, 4 frames" in report.notes


@pytest.mark.release
def test_signatures_of_two_files(files: Path, several: Path, tmp_path: Path) -> None:
    """Those for clips of one length are compared, and it is said which were not."""
    one, wrong = several / "model.tflite", several / "wrong.tflite"
    assert signbart_port.verify(one, one).passed
    assert signbart_port.verify(one, wrong).frames == 6
    two, alone = tmp_path / "two.tflite", "not compared, as one of the files alone has them: "
    signbart_port.to_tflite(files / "model.h5", two, frames=(12, 6, 4))
    for pair in ((one, two), (two, one)):
        report = signbart_port.verify(*pair)
        assert report.passed and report.frames == 6
        assert "equal too: the signatures for 4 frames" in report.notes
        assert f"{alone}the signatures for 12, 9 frames" in report.notes
    assert not signbart_port.verify(two, wrong).passed
    assert not signbart_port.verify(wrong, two).passed


@pytest.mark.release
def test_a_length_that_is_set_at_run_time(files: Path, several: Path, tmp_path: Path) -> None:
    """Takes that of every signature of the other file."""
    free = tmp_path / "free.tflite"
    signbart_port.to_tflite(files / "model.h5", free, dynamic_frames=True)
    for pair in ((free, several / "model.tflite"), (several / "model.tflite", free)):
        report = signbart_port.verify(*pair)
        assert report.passed and report.frames == 9
        assert "equal too: the signatures for 6, 4 frames" in report.notes
    for pair in ((free, several / "wrong.tflite"), (several / "wrong.tflite", free)):
        report = signbart_port.verify(*pair)
        assert not report.passed and report.frames == 6


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `model` and `other` as .pth and .h5, and as .tflite of raw keypoints and of
    probabilities; they differ in one weight."""
    folder = tmp_path_factory.mktemp("raw")
    config = CONFIG.replace(joint_idx=(11, 0, 40, 33, 60, 74), skeleton="mediapipe-75")
    arrays = state_dict(config)
    save_model(folder, config, arrays)
    changed = arrays[f"{WRONG}.weight"].copy()
    changed[2, 3] += 0.01
    save_model(folder, config, arrays | {f"{WRONG}.weight": changed}, "other")
    for name in ("model", "other"):
        h5 = folder / f"{name}.h5"
        signbart_port.convert(h5.with_suffix(".pth"), h5, verify=False)
        signbart_port.to_tflite(h5, frames=(9, 4), preprocessing=True, softmax=True)
    return folder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.release
def test_preprocessing_and_probabilities(raw: Path, kind: str) -> None:
    report = signbart_port.verify(raw / f"model.{kind}", raw / "model.tflite")
    assert report.passed and report.agreement == (7, 7)
    assert not signbart_port.verify(raw / f"other.{kind}", raw / "model.tflite").passed


@pytest.mark.release
def test_other_preprocessing(raw: Path, tmp_path: Path) -> None:
    """The card says how the file prepares keypoints; the reference's are prepared as well."""
    model = tmp_path / "model.tflite"
    config = h5.read(raw / "model.h5").config.replace(count_missing=False)
    save_model(tmp_path, config, state_dict(config))
    signbart_port.convert(tmp_path / "model.pth", tmp_path / "model.h5", verify=False)
    signbart_port.to_tflite(tmp_path / "model.h5", model, frames=9, preprocessing=True)
    assert signbart_port.verify(raw / "model.h5", model).passed
    # A file that lies of it is found out.
    data = model.read_bytes()
    assert data.count(b'"count_missing": false') == 1
    model.write_bytes(data.replace(b'"count_missing": false', b'"count_missing":  true'))
    with pytest.raises(PortError, match=r"model\.tflite: is damaged"):
        signbart_port.verify(raw / "model.h5", model)


@pytest.mark.release
def test_files_that_take_or_give_something_else(files: Path, raw: Path, tmp_path: Path) -> None:
    logits, wider, whole = (tmp_path / f"{name}.tflite" for name in ("logits", "wider", "whole"))
    signbart_port.to_tflite(raw / "model.h5", logits, frames=9, preprocessing=True)
    signbart_port.to_tflite(
        raw / "model.h5", wider, frames=9, preprocessing=True, softmax=True, skeleton=100
    )
    signbart_port.to_tflite(raw / "model.h5", whole, frames=9)
    assert signbart_port.verify(raw / "model.h5", wider).passed
    for other in (logits, whole):
        with pytest.raises(PortError, match="takes or gives something else than model"):
            signbart_port.verify(raw / "model.tflite", other)
    with pytest.raises(PortError, match=r"wider\.tflite: takes or gives something else"):
        signbart_port.verify(raw / "model.tflite", wider)
    config = h5.read(raw / "model.h5").config
    face = save_model(
        tmp_path,
        config.replace(joint_idx=(11, 0, 40, 33, 60, 99), skeleton="mediapipe-100"),
        name="face",
    )
    with pytest.raises(
        PortError, match=r"model\.tflite: reads 75 keypoints a frame, face\.pth joint 99"
    ):
        signbart_port.verify(face, raw / "model.tflite")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"num_labels": 6}, "6 labels, .* has 5|5 labels, .* has 6"),
        (
            {"joint_idx": (11, 0, 2, 3, 5, 12)},
            "takes 13 keypoints a frame, .* 12|takes 12 keypoints a frame, .* 13",
        ),
    ],
    ids=["labels", "joints"],
)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.on_commit("h5-labels", "tflite-joints")
def test_other_sizes(
    files: Path, tmp_path: Path, kind: str, changes: dict[str, object], what: str
) -> None:
    config = CONFIG.replace(**changes)
    keras_model(config, state_dict(config)).save(tmp_path / "sizes.h5")
    with pytest.raises(PortError, match=what):
        signbart_port.verify(tmp_path / "sizes.h5", files / f"model.{kind}")


@pytest.mark.release
def test_other_lengths(files: Path, tmp_path: Path) -> None:
    signbart_port.to_tflite(files / "model.h5", tmp_path / "five.tflite", frames=5)
    with pytest.raises(PortError, match=r"takes 5 frames, model\.tflite 9"):
        signbart_port.verify(files / "model.tflite", tmp_path / "five.tflite")
    short = CONFIG.replace(max_position_embeddings=8)
    signbart_port.convert(save_model(tmp_path, short), tmp_path / "short.h5", verify=False)
    with pytest.raises(PortError, match=r"takes 9 frames, short\.h5 fewer"):
        signbart_port.verify(files / "model.tflite", tmp_path / "short.h5")


@pytest.mark.parametrize("other", ["model.h5", "model.tflite", "model.pth"])
@pytest.mark.on_commit("model.h5")
def test_a_keras_file_that_is_not_its_config(files: Path, tmp_path: Path, other: str) -> None:
    """Refused by name, whichever side it is on."""
    lacking = tmp_path / "lacking.h5"
    lacking.write_bytes((files / "model.h5").read_bytes())
    with h5py.File(lacking, "r+") as file:
        del file["model_weights/encoder/encoder/layers.0/fc1/bias"]
    for pair in ((lacking, files / other), (files / other, lacking)):
        with pytest.raises(PortError, match=r"lacking\.h5: MISSING encoder/layers\.0/fc1/bias"):
            signbart_port.verify(*pair)


@pytest.mark.release
def test_two_rounded_files_say_how_little_they_show(
    files: Path, rounded: Path, tmp_path: Path
) -> None:
    report = signbart_port.verify(rounded, shutil.copy(rounded, tmp_path / "two.tflite"))
    assert report.passed and report.weights is None
    assert any("two .tflite show logits alone" in note for note in report.notes)
    against_model = signbart_port.verify(files / "model.pth", rounded)
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
        ("model.h5", "model.tflite", 0, "equal: 1 output within its limit"),
        ("model.tflite", "other.h5", 1, "other weights than the reference's"),
        ("model.h5", "nothing.tflite", 2, "nothing.tflite: does not exist"),
        ("model.h5", "model.yaml", 2, "model.yaml: is"),
    ],
    ids=["equal", "not equal", "no file", "no model"],
)
@pytest.mark.on_commit("not equal", "no file", "no model")
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


def test_other_heads_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No tensor shows them: the two have the same weights."""
    arrays, changed = state_dict(CONFIG), small_config(encoder_attention_heads=4)
    save_pth(tmp_path / "a.pth", arrays, config=CONFIG.model_dump())
    save_pth(tmp_path / "b.pth", arrays, config=changed.model_dump())
    report = signbart_port.verify(tmp_path / "a.pth", tmp_path / "b.pth")
    says = "the configs differ: encoder_attention_heads 2 in a.pth, 4 in b.pth"
    assert not report.passed and says in report.cautions and says in report.notes
    models = str(tmp_path / "a.pth"), str(tmp_path / "b.pth")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"TTY_COMPATIBLE": "1", "TERM": "dumb", "COLUMNS": "80"}.items():
            patch.setenv(name, value)
        _show.out.cache_clear()  # a console keeps the width that it began with
        for option in ("--quiet", "--every-module"):
            patch.setattr("sys.argv", ["signbart-port", "verify", *models, option])
            with pytest.raises(SystemExit) as end:
                main()
            assert end.value.code == 1
            printed = capsys.readouterr()
            assert printed.err.count(says) == 1 and says not in printed.out
            if option == "--quiet":
                assert printed.out == "" and "NOT EQUAL: " in printed.err
    _show.out.cache_clear()
    rows = [line for line in printed.out.splitlines() if line.startswith("│")]
    assert {len(row) for row in rows} == {80} and "…" not in printed.out
    whole = [row for row in rows if re.search(r"(equal|WRONG) +│$", row)]
    assert len(whole) == len(report.rows) < len(rows)  # longer names go on in a line of their own


def test_stated_heads_and_joints_are_said_up_to_the_phone(tmp_path: Path) -> None:
    """The proof passes with wrong ones: whoever gets the file has to know."""
    save_pth(tmp_path / "bare.pth", state_dict(CONFIG))
    other = (*CONFIG.joint_idx[:-1], CONFIG.joint_idx[-1] + 1)
    made = []
    for name, joints in (("a", CONFIG.joint_idx), ("b", other)):
        options = Options(heads=2, joints=joints, skeleton="mediapipe-75")
        done = signbart_port.convert(tmp_path / "bare.pth", tmp_path / f"{name}.h5", options)
        assert stated_config.CAUTION in done.cautions
        made.append(done.out)
    emitted = signbart_port.to_tflite(made[0], frames=9)
    card = metadata.read(emitted.out)
    assert stated_config.CAUTION in emitted.notes
    assert card is not None and card.unproven == stated_config.CAUTION
    assert ("", card.unproven) in card_facts(card)
    for model, differ in zip(made, (False, True), strict=True):
        report = signbart_port.verify(model, emitted.out)
        assert report.passed is not differ
        assert f"{model}: {stated_config.CAUTION}" in report.cautions
        assert any("the configs differ: joint_idx" in said for said in report.cautions) == differ


@pytest.mark.release
def test_a_checkpoint_without_a_config_takes_that_of_the_other(tmp_path: Path) -> None:
    arrays = state_dict(CONFIG)
    save_pth(tmp_path / "a.pth", arrays, config=CONFIG.model_dump())
    save_pth(tmp_path / "b.pth", arrays)
    for pair in (("a.pth", "b.pth"), ("b.pth", "a.pth")):
        report = signbart_port.verify(*(tmp_path / name for name in pair))
        assert report.passed and any("config of a.pth" in note for note in report.notes)
