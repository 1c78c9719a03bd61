"""tflite, with a graph that is wrong on purpose: the file is refused and nothing is left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from helpers import small_config, state_dict
from keras import ops
from models import keras_model

import signbart_port
from signbart_port import ProofError
from signbart_port.cli import main
from signbart_port.keras_model import SignBart, decoder, masks
from signbart_port.tflite import emit

CONFIG = small_config()
Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def h5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("broken") / "model.h5"
    keras_model(CONFIG, state_dict(CONFIG)).save(path)
    return path


def mask_dropped(patch: Patch) -> None:
    classify = SignBart.classify
    patch.setattr(SignBart, "classify", lambda self, k, m: classify(self, k, ops.ones_like(m)))


def another_frame(patch: Patch) -> None:
    """Wrong in the short graph alone: the whole model still classifies the last frame."""
    patch.setattr(decoder, "last_frame", lambda mask: ops.maximum(masks.last_frame(mask) - 1, 0))


def weaker_padding(patch: Patch) -> None:
    """As a graph whose constants were clamped: -65504 does not outweigh a later frame."""
    padding = decoder.padding_mask

    def clamped(mask: Any, dtype: str) -> Any:
        return ops.maximum(padding(mask, dtype), -3.0)

    converted = emit._converted

    def convert(*arguments: Any) -> bytes:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(decoder, "padding_mask", clamped)
            return converted(*arguments)

    patch.setattr(emit, "_converted", convert)


def tanh_gelu(patch: Patch) -> None:
    converted = emit._converted

    def convert(model: SignBart, *rest: Any) -> bytes:
        for layer in model._flatten_layers():
            if layer.name == "activation_fn":
                layer.activation = lambda x: ops.gelu(x, approximate=True)
        return converted(model, *rest)

    patch.setattr(emit, "_converted", convert)


def rounded_weights(patch: Patch) -> None:
    converted = emit._converted
    patch.setattr(
        emit, "_converted", lambda model, _, n: converted(model, emit.Quantization.FLOAT16, n)
    )


def variables_left_behind(patch: Patch) -> None:
    """What the converter does, without a word, with a Keras model in place of a tf.Module."""

    def convert(model: SignBart, _: Any, frames: int) -> bytes:
        @tf.function(
            input_signature=[
                tf.TensorSpec((1, frames, CONFIG.keypoints, 2), name="keypoints"),
                tf.TensorSpec((1, frames), name="attention_mask"),
            ]
        )
        def classify(keypoints: Any, attention_mask: Any) -> dict[str, Any]:
            return {"logits": model.classify(keypoints, attention_mask)}

        return tf.lite.TFLiteConverter.from_concrete_functions(
            [classify.get_concrete_function()], model
        ).convert()

    patch.setattr(emit, "_converted", convert)


def another_model(patch: Patch) -> None:
    converted = emit._converted
    config = CONFIG.replace(d_model=4, encoder_ffn_dim=2, decoder_ffn_dim=2)

    def convert(model: SignBart, *rest: Any) -> bytes:
        return converted(keras_model(config, state_dict(config)), *rest)

    patch.setattr(emit, "_converted", convert)


BREAKS: dict[Callable[[Patch], None], str] = {
    another_frame: "NOT EQUAL, logits: the first wrong output of the run",
    weaker_padding: "NOT EQUAL, logits: the first wrong output of the run",
    tanh_gelu: "NOT EQUAL, logits: the first wrong output of the run",
    rounded_weights: "asked for none, the converter wrote float16",
    variables_left_behind: "READ_VARIABLE",
    another_model: "weights: .* is missing",
}


@pytest.mark.parametrize("make", BREAKS, ids=lambda b: b.__name__)
def test_refused(h5: Path, tmp_path: Path, monkeypatch: Patch, make: Any) -> None:
    make(monkeypatch)
    with pytest.raises(ProofError, match=BREAKS[make]):
        signbart_port.to_tflite(h5, tmp_path / "model.tflite", frames=9)
    assert not list(tmp_path.iterdir())


def test_the_command_ends_with_1(
    h5: Path, tmp_path: Path, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]
) -> None:
    mask_dropped(monkeypatch)
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
