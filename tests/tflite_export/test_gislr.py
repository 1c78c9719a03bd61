"""`--contract gislr`: the interface of Kaggle's competitions of isolated signs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

import signbart_port
from signbart_port import PortError
from signbart_port.config import joints
from signbart_port.config.skeletons import KNOWN
from signbart_port.data.clip_format import ClipFormat
from signbart_port.inference.batches import batches
from signbart_port.tflite import gislr, metadata, model_file
from signbart_port.tflite.runner import Runner
from signbart_port.verbs.to_tflite import Emitted
from tests.support.framework_models import keras_model
from tests.support.small_models import small_config, state_dict

pytestmark = pytest.mark.usefixtures("converter_here")

MOST = 16
# Large enough that the converter quantizes: it leaves tensors below 1,024 values as they are.
CONFIG = small_config(
    d_model=36,
    encoder_layers=1,
    decoder_layers=2,
    encoder_ffn_dim=48,
    decoder_ffn_dim=40,
    joint_idx=joints.NAMED["pose_hands"],
    max_position_embeddings=MOST,
)
LEFT, RIGHT = KNOWN["holistic-543"].hands.values()


@pytest.fixture(scope="module")
def h5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gislr") / "model.h5"
    keras_model(CONFIG, state_dict(CONFIG)).save(path)
    return path


@pytest.fixture(scope="module")
def emitted(h5: Path) -> Emitted:
    return signbart_port.to_tflite(h5, contract="gislr")


def clips() -> dict[str, NDArray[np.float32]]:
    """Clips as the competition's tables have them."""
    rng = np.random.default_rng(0)
    lengths = {"one frame": 1, "short": 5, "longest": MOST, "one more": MOST + 1, "long": 154}
    found = {
        name: rng.normal(0.5, 0.3, (frames, 543, 3)).astype(np.float32)
        for name, frames in lengths.items()
    }
    for clip in found.values():
        clip[rng.random(clip.shape[:2]) < 1 / 8] = np.nan
    found["x alone missing"] = found["short"].copy()
    found["x alone missing"][1:3, LEFT, 0] = np.nan
    found["infinite"] = found["short"].copy()
    found["infinite"][2, RIGHT, 1] = np.inf
    for name, points in {"left hand": LEFT, "right hand": RIGHT, "hands": LEFT + RIGHT}.items():
        found[f"no {name}"] = found["long"].copy()
        found[f"no {name}"][:, points] = np.nan
    found["frames of nobody"] = found["one more"].copy()
    found["frames of nobody"][[0, 3, -1]] = np.nan
    found["nobody"] = np.full((3, 543, 3), np.nan, np.float32)
    return found


def run_as_kaggle_does(
    path: Path, clip: NDArray[np.float32], kernels: OpResolverType = OpResolverType.AUTO
) -> NDArray[np.float32]:
    interpreter = Interpreter(str(path), experimental_op_resolver_type=kernels)
    scores: NDArray[np.float32] = interpreter.get_signature_runner("serving_default")(inputs=clip)[
        "outputs"
    ]
    return scores


def by_keras(h5: Path) -> dict[str, NDArray[Any]]:
    """The logits of the Keras model, for the same clips prepared in Python."""
    model = signbart_port.load(h5)
    form = ClipFormat("holistic-543")
    found = {}
    for name, clip in clips().items():
        (batch,) = batches(CONFIG, [clip], [Path(name)], form)
        found[name] = np.asarray(model(batch.keypoints, batch.attention_mask))[0]
    return found


def test_a_file_of_the_contract(h5: Path, emitted: Emitted) -> None:
    assert emitted.out == h5.with_suffix(".tflite")
    assert [report.frames for report in emitted.reports] == [1, MOST, MOST + 1, 3 * MOST]
    assert all(report.passed for report in emitted.reports)
    file = emitted.file
    assert (file.contract, file.joints, file.labels, file.frames) == ("gislr", 543, 5, None)
    assert not [name for name in file.ops if name.startswith("custom:")]
    assert file.runtime is not None and file.runtime.startswith("2.")

    interpreter = Interpreter(str(emitted.out))
    assert [*interpreter.get_signature_list()] == ["serving_default"]
    runner = interpreter.get_signature_runner("serving_default")
    (taken,), (given,) = (
        [(name, one["shape_signature"].tolist()) for name, one in details.items()]
        for details in (runner.get_input_details(), runner.get_output_details())
    )
    assert taken == ("inputs", [-1, 543, 3]) and given == ("outputs", [5])


def test_equal_to_python_and_keras(h5: Path, emitted: Emitted) -> None:
    expected = by_keras(h5)
    assert np.ptp(np.stack([*expected.values()]), axis=0).min() > 0.01, "the clips are told apart"
    for name, clip in clips().items():
        for kernels in (OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES):
            scores = run_as_kaggle_does(emitted.out, clip, kernels)
            np.testing.assert_allclose(scores, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_predict(h5: Path, emitted: Emitted) -> None:
    raw = clips()
    found = signbart_port.predict(emitted.out, [*raw.values()], skeleton="holistic-543")
    for one, (name, expected) in zip(found.clips, by_keras(h5).items(), strict=True):
        np.testing.assert_allclose(one.scores, expected, rtol=1e-4, atol=1e-5, err_msg=name)
    assert found.output == "logits"
    assert f"clip 5: 154 frames, of which the model reads {MOST}, evenly chosen" in found.notes


def test_verify(h5: Path, emitted: Emitted) -> None:
    report = signbart_port.verify(h5, emitted.out)
    assert report.passed and "nobody" in report.facts["clips"]


def test_z_is_not_read(emitted: Emitted) -> None:
    clip = clips()["short"]
    flat = clip * np.float32((1, 1, 0))
    np.testing.assert_array_equal(
        run_as_kaggle_does(emitted.out, clip), run_as_kaggle_does(emitted.out, flat)
    )


@pytest.mark.release
@pytest.mark.parametrize(
    ("quantization", "softmax"), [("none", True), ("float16", False), ("dynamic", True)]
)
def test_rounded_weights_and_probabilities(
    h5: Path, tmp_path: Path, quantization: str, softmax: bool
) -> None:
    done = signbart_port.to_tflite(
        h5, tmp_path / "model.tflite", contract="gislr", quantization=quantization, softmax=softmax
    )
    assert all(report.passed for report in done.reports)
    scores = run_as_kaggle_does(done.out, clips()["long"])
    assert scores.shape == (5,)
    assert (abs(scores.sum() - 1) < 1e-5) == softmax
    card = metadata.read(done.out)
    assert card is not None and card.contract == "gislr"
    assert card.output == ("probabilities" if softmax else "logits")


@pytest.mark.release
def test_wrong_weights_are_found(h5: Path, emitted: Emitted, tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    keras_model(CONFIG, state_dict(CONFIG, seed=1)).save(other)
    assert not signbart_port.verify(other, emitted.out).passed


@pytest.mark.release
def test_measured_on_clips_of_any_length(h5: Path, tmp_path: Path) -> None:
    """Every clip runs at its own length: nothing may be padded where there is no mask."""
    data = tmp_path / "data"
    for number, clip in enumerate(list(clips().values())[:5]):
        folder = data / "test" / f"sign {number}"
        folder.mkdir(parents=True)
        np.save(folder / "clip.npy", clip)
    (data / "label2id.json").write_text(json.dumps({f"sign {n}": n for n in range(5)}))
    done = signbart_port.to_tflite(h5, tmp_path / "model.tflite", contract="gislr", data=data)
    assert done.accuracy is not None and done.accuracy.candidate.agreement == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"contract": "gislr-2"}, "there is none of that name"),
        ({"quantization": "int8", "calibration": "signs"}, "takes clips of any"),
        ({"frames": 64}, "takes clips of any length"),
        ({"skeleton": "mediapipe-75"}, "has the skeleton holistic-543"),
    ],
)
def test_what_does_not_go_with_it(
    h5: Path, tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    out = tmp_path / "model.tflite"
    with pytest.raises(PortError, match=says):
        signbart_port.to_tflite(h5, out, **({"contract": "gislr"} | options))
    assert not out.exists()


def test_golden_vectors_are_refused(
    emitted: Emitted, tmp_path: Path, program: Callable[..., Any]
) -> None:
    np.save(tmp_path / "clip.npy", clips()["short"])
    golden = tmp_path / "golden.json"
    code, _, err = program(
        "predict",
        emitted.out,
        tmp_path / "clip.npy",
        "--skeleton",
        "holistic-543",
        "--golden",
        golden,
    )
    assert code == 2 and "has no golden vectors" in err and not golden.exists()


def test_a_file_without_a_card_is_refused(emitted: Emitted, tmp_path: Path) -> None:
    bare = tmp_path / "bare.tflite"
    data = emitted.out.read_bytes()
    bare.write_bytes(data.replace(b"TFLITE_METADATA", b"TFLITE_NOTHING_"))
    assert metadata.read(bare) is None and model_file.read(bare).contract == gislr.NAME
    with pytest.raises(PortError, match="has no card that says what it reads"):
        Runner(bare)
    with pytest.raises(PortError, match="another signature than its card says"):
        signbart_port.verify(emitted.out, bare)


def test_nothing_is_made_of_it_that_feeds_frames(emitted: Emitted, tmp_path: Path) -> None:
    says = "has the interface of gislr"
    with pytest.raises(PortError, match=says):
        signbart_port.snippets(emitted.out, "kotlin")
    with pytest.raises(PortError, match=says):
        signbart_port.write_site(emitted.out, tmp_path / "site")
