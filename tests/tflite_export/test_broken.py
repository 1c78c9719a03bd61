"""tflite, with a graph that is wrong on purpose: the file is refused and nothing is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from keras import ops

import signbart_port
from signbart_port import ProofError
from signbart_port.cli import main
from signbart_port.keras_model import SignBart, decoder, masks
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export.conversion import Conversion
from signbart_port.tflite_export.workers.converter import converted
from tests.support.converter_in_process import Converter, convert_by
from tests.support.framework_models import keras_model
from tests.support.small_models import small_config, state_dict

CONFIG = small_config(encoder_layers=1, decoder_layers=2)
Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def h5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("broken") / "model.h5"
    keras_model(CONFIG, state_dict(CONFIG)).save(path)
    return path


def mask_dropped(model: SignBart, conversion: Conversion) -> bytes:
    with Patch.context() as patch:
        classify = SignBart.classify
        patch.setattr(
            SignBart, "classify", lambda self, k, m, *bound: classify(self, k, ops.ones_like(m))
        )
        return converted(model, conversion)


def another_frame(model: SignBart, conversion: Conversion) -> bytes:
    """Wrong in the short graph alone: the whole model still classifies the last frame."""

    def before(mask: Any) -> Any:
        return ops.maximum(masks.last_frame(mask) - 1, 0)

    with Patch.context() as patch:
        patch.setattr(decoder, "last_frame", before)
        return converted(model, conversion)


def weaker_padding(model: SignBart, conversion: Conversion) -> bytes:
    """As a graph whose constants were clamped: -65504 does not outweigh a later frame."""
    padding = decoder.padding_mask

    def clamped(*arguments: Any) -> Any:
        return ops.maximum(padding(*arguments), -3.0)

    with Patch.context() as patch:
        patch.setattr(decoder, "padding_mask", clamped)
        return converted(model, conversion)


def tanh_gelu(model: SignBart, conversion: Conversion) -> bytes:
    for layer in model._flatten_layers():
        if layer.name == "activation_fn":
            layer.activation = lambda x: ops.gelu(x, approximate=True)
    return converted(model, conversion)


def rounded_weights(model: SignBart, conversion: Conversion) -> bytes:
    return converted(model, replace(conversion, quantization=Quantization.FLOAT16))


def variables_left_behind(model: SignBart, conversion: Conversion) -> bytes:
    """What the converter does, without a word, with a Keras model in place of a tf.Module."""
    (frames,) = conversion.frames

    @tf.function(
        input_signature=[
            tf.TensorSpec((1, frames, CONFIG.keypoints, 2), name="keypoints"),
            tf.TensorSpec((1, frames), name="attention_mask"),
        ]
    )
    def classify(keypoints: Any, attention_mask: Any) -> dict[str, Any]:
        return {"logits": model.classify(keypoints, attention_mask)}

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [classify.get_concrete_function()], model
    )
    data: bytes = converter.convert()
    return data


def another_model(model: SignBart, conversion: Conversion) -> bytes:
    config = CONFIG.replace(d_model=4, encoder_ffn_dim=2, decoder_ffn_dim=2)
    return converted(keras_model(config, state_dict(config)), conversion)


def no_tflite(model: SignBart, conversion: Conversion) -> bytes:
    return b"Sorry, there was no space left."


def cut_short(model: SignBart, conversion: Conversion) -> bytes:
    data = converted(model, conversion)
    return data[: len(data) // 2]


BREAKS: dict[Converter, str] = {
    another_frame: "NOT EQUAL, logits: the first wrong output of the run",
    weaker_padding: "NOT EQUAL, logits: the first wrong output of the run",
    tanh_gelu: "NOT EQUAL, logits: the first wrong output of the run",
    rounded_weights: "asked for none, the file is float16",
    variables_left_behind: "READ_VARIABLE",
    another_model: "weights: .* is missing",
    no_tflite: "the .tflite made of it is",
    cut_short: "the .tflite made of it is damaged or truncated",
}


@pytest.mark.parametrize("make", BREAKS, ids=lambda b: b.__name__)
@pytest.mark.on_commit("another_model", "no_tflite")
def test_refused(h5: Path, tmp_path: Path, monkeypatch: Patch, make: Any) -> None:
    convert_by(make, monkeypatch)
    with pytest.raises(ProofError, match=BREAKS[make]):
        signbart_port.to_tflite(h5, tmp_path / "model.tflite", frames=9)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [4, 6, 9])
@pytest.mark.release
def test_one_wrong_signature(h5: Path, tmp_path: Path, monkeypatch: Patch, wrong: int) -> None:
    """Of three, whichever it is: the others cannot make up for it."""

    def before(mask: Any) -> Any:
        last = masks.last_frame(mask)
        return ops.maximum(last - 1, 0) if mask.shape[1] == wrong else last

    def convert(model: SignBart, conversion: Conversion) -> bytes:
        with Patch.context() as patch:
            patch.setattr(decoder, "last_frame", before)
            return converted(model, conversion)

    convert_by(convert, monkeypatch)
    with pytest.raises(ProofError, match="NOT EQUAL, logits"):
        signbart_port.to_tflite(h5, tmp_path / "model.tflite", frames=(4, 6, 9))
    assert not list(tmp_path.iterdir())


def test_the_command_ends_with_1(
    h5: Path, tmp_path: Path, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]
) -> None:
    convert_by(mask_dropped, monkeypatch)
    out = tmp_path / "model.tflite"
    out.write_bytes(b"the model of yesterday")
    arguments = ["tflite", str(h5), "--out", str(out), "--frames", "9", "--force"]
    monkeypatch.setattr("sys.argv", ["signbart-port", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "signbart-port: " in printed.err.splitlines()[-1] and "NOT EQUAL" in printed.err
    assert sorted(tmp_path.iterdir()) == [out]
    assert out.read_bytes() == b"the model of yesterday"
