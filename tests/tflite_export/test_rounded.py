"""Rounded weights and looser limits: a wrong file of a trained model is still found out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from signbart_port.errors import ProofError
from signbart_port.keras_model import SignBart
from signbart_port.keras_model.weights import assign
from signbart_port.tflite_export.conversion import Conversion
from signbart_port.tflite_export.workers.converter import converted
from signbart_port.verbs import to_tflite
from signbart_port.verbs.convert import convert
from tests.support.converter_in_process import convert_by

pytestmark = pytest.mark.usefixtures("converter_here")

SAMPLE = Path(__file__).parents[2] / "samples" / "synthetic-signs.pth"
HEADS = {"encoder_attention_heads": 8, "decoder_attention_heads": 8}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert(SAMPLE, tmp_path_factory.mktemp("sample") / "model.h5", verify=False).out


def other_joints(model: SignBart) -> dict[str, Any]:
    joints = list(model.config.joint_idx)
    joints[7], joints[30] = joints[30], joints[7]
    return {"joint_idx": tuple(joints)}


@pytest.mark.parametrize("mode", ["float16", "dynamic"])
@pytest.mark.on_commit("dynamic")
def test_the_right_model_passes(sample: Path, tmp_path: Path, mode: str) -> None:
    done = to_tflite.to_tflite(sample, tmp_path / "model.tflite", quantization=mode)
    row = done.reports[0].logits
    assert row.error < row.limit / 2, "the limit has room for honest files"
    assert not done.source_proven


@pytest.mark.parametrize("mode", ["float16", "dynamic"])
@pytest.mark.parametrize("changes", [lambda model: HEADS, other_joints], ids=["heads", "joints"])
@pytest.mark.on_commit("heads-float16")
def test_a_wrong_model_is_refused(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, changes: Any
) -> None:
    def of_another(model: SignBart, conversion: Conversion) -> bytes:
        other = SignBart(model.config.replace(**changes(model)))
        assign(other, ((weight.path, weight.numpy()) for weight in model.weights))
        return converted(other, conversion)

    convert_by(of_another, monkeypatch)
    out = tmp_path / "model.tflite"
    with pytest.raises(ProofError, match="is NOT EQUAL, "):
        to_tflite.to_tflite(sample, out, quantization=mode)
    assert not list(tmp_path.iterdir())
