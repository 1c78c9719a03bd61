"""The same weights as .pth, .safetensors, .h5 and .tflite: one interface, the same answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from signbart_port.checkpoint import writer
from signbart_port.errors import PortError
from signbart_port.model_files import mappings
from signbart_port.model_files.checkpoint_model import CheckpointModel
from signbart_port.model_files.config_resolution import Options
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.model_files.model_file import (
    ModelFile,
    check_options_used,
    open_model,
    open_pair,
    open_weights,
)
from signbart_port.model_files.tflite_model import TFLiteModel
from signbart_port.system import digest
from signbart_port.tflite.runner import NO_CARD
from signbart_port.transfer import same_bits
from tests.support.cards import bare
from tests.support.small_models import distinct_state_dict, plan_of, small_config

CONFIG = small_config()
PLAN = plan_of(CONFIG)
SAME_FOR_ALL = ("labels", "precision", "interface", "class_names")
SAME_FOR_WEIGHTS = (*SAME_FOR_ALL, "config", "plan", "frames", "parameters")
TENSORS = ("torch_tensors", "keras_tensors", "reference_tensors")
SUFFIXES = {
    ".pth": (CheckpointModel, "PyTorch"),
    ".safetensors": (CheckpointModel, "PyTorch"),
    ".h5": (KerasModel, "Keras"),
    ".tflite": (TFLiteModel, "TFLite float32"),
}
WITH_WEIGHTS = [suffix for suffix in SUFFIXES if suffix != ".tflite"]


@pytest.fixture(scope="module")
def files(ported: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    path = tmp_path_factory.mktemp("open") / "model.safetensors"
    stored = {"config": CONFIG.model_dump(mode="json")}
    path.write_bytes(writer.safetensors_bytes(distinct_state_dict(CONFIG), stored))
    return {s: path if s == path.suffix else ported / f"model{s}" for s in SUFFIXES}


@pytest.fixture(scope="module")
def models(files: dict[str, Path]) -> dict[str, ModelFile]:
    return {suffix: open_model(path) for suffix, path in files.items()}


@pytest.mark.parametrize("suffix", [".h5", ".tflite"])
def test_weights_are_chosen_in_checkpoints_alone(files: dict[str, Path], suffix: str) -> None:
    chosen, says = Options(weights="ema"), "is one model: --weights chooses among those of a check"
    model = open_model(files[suffix], chosen)  # for another of several
    with pytest.raises(PortError, match=says):
        check_options_used((model,), chosen)
    if suffix == ".h5":
        with pytest.raises(PortError, match=says):
            open_weights(files[suffix], chosen)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_a_file_is(suffix: str, models: dict[str, ModelFile], files: dict[str, Path]) -> None:
    model = models[suffix]
    made, name = SUFFIXES[suffix]
    assert type(model) is made and model.format == name
    assert model.path == files[suffix]
    assert model.sha256 == digest.of_file(files[suffix])
    assert model.signatures() == (model,)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", SAME_FOR_ALL)
def test_all_have_the_same(name: str, suffix: str, models: dict[str, ModelFile]) -> None:
    assert getattr(models[suffix], name) == getattr(models[".pth"], name)


@pytest.mark.parametrize("suffix", WITH_WEIGHTS)
@pytest.mark.parametrize("name", SAME_FOR_WEIGHTS)
def test_weight_files_have_the_same(name: str, suffix: str, models: dict[str, ModelFile]) -> None:
    assert getattr(models[suffix], name) == getattr(models[".pth"], name)


def test_the_values_are_those_of_the_model(models: dict[str, ModelFile]) -> None:
    model = models[".pth"]
    assert (model.config, model.plan, model.labels) == (CONFIG, PLAN, CONFIG.num_labels)
    assert model.interface.keypoints == CONFIG.keypoints
    assert model.parameters == PLAN.parameters and model.frames is None


@pytest.mark.parametrize("suffix", WITH_WEIGHTS)
@pytest.mark.parametrize("name", TENSORS)
def test_weight_files_have_the_same_tensors(
    name: str, suffix: str, models: dict[str, ModelFile]
) -> None:
    got, expected = (getattr(models[one], name) for one in (suffix, ".pth"))
    assert got.keys() == expected.keys() and len(got) == len(PLAN.transfers)
    assert all(same_bits(got[key], expected[key]) for key in expected)


def test_the_tensors_are_those_of_the_checkpoint(models: dict[str, ModelFile]) -> None:
    model, weights = models[".h5"], distinct_state_dict(CONFIG)
    for transfer in PLAN.transfers:
        expected = weights[transfer.torch]
        np.testing.assert_array_equal(model.torch_tensors[transfer.torch], expected)
        np.testing.assert_array_equal(model.reference_tensors[transfer.torch], expected)
        assert model.keras_tensors[transfer.keras].shape == transfer.keras_shape


def test_a_tflite_shows_no_weights(models: dict[str, ModelFile]) -> None:
    model = models[".tflite"]
    assert model.config is None and model.plan is None
    assert not any(getattr(model, name) for name in TENSORS)


def test_what_a_clip_costs(models: dict[str, ModelFile]) -> None:
    tflite = models[".tflite"]
    frames = CONFIG.max_position_embeddings
    assert tflite.frames == frames
    torch, safetensors, keras = (models[suffix].flops(frames) for suffix in WITH_WEIGHTS)
    cost = tflite.flops(frames)
    assert torch == safetensors == keras
    assert torch is not None and cost is not None and 0 < cost <= torch
    assert tflite.flops(frames - 1) is None
    assert tflite.parameters > 0


def test_where_the_config_comes_from(models: dict[str, ModelFile]) -> None:
    for suffix in (".pth", ".safetensors"):
        assert models[suffix].config_notes == ("config: stored in the checkpoint",)
        assert models[suffix].notes == models[suffix].config_notes
    for suffix in (".h5", ".tflite"):
        assert models[suffix].config_notes == models[suffix].notes == ()


def test_a_tflite_without_a_card(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "bare.tflite").write_bytes(bare(files[".tflite"]))
    model = open_model(tmp_path / "bare.tflite")
    assert model.notes == (f"bare.tflite {NO_CARD}",)
    assert model.config_notes == () and model.class_names is None


def test_a_pair_begins_with_the_one_nearer_to_pytorch(files: dict[str, Path]) -> None:
    for before, after in ((".pth", ".h5"), (".safetensors", ".tflite"), (".h5", ".tflite")):
        for order in ((before, after), (after, before)):
            pair = open_pair(*(files[s] for s in order), Options(), mappings.signbart())
            assert [model.path for model in pair] == [files[before], files[after]]


def test_weights_of_another_config(ported: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes((ported / "plain.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        del file["model_weights/encoder/encoder/layers.0/fc1/bias"]
    for reads in (open_model, open_weights):
        _refused(reads, path, "encoder/layers.0/fc1/bias")


def test_a_tflite_is_no_weight_file(files: dict[str, Path]) -> None:
    _refused(open_weights, files[".tflite"], "not a Keras model")


def _refused(reads: Any, path: Path, said: str) -> None:
    with pytest.raises(PortError) as refused:
        reads(path)
    assert refused.value.path == path and said in str(refused.value)


FC1 = "encoder.layers.0.fc1.weight"
SPOILED = {
    "lost": (lambda weight: None, f"MISSING {FC1}", "Save the whole state dict"),
    "quantized": (lambda weight: weight.astype(np.int8), f"DTYPE {FC1}", "Give the float weights"),
    "diverged": (lambda weight: weight * np.nan, f"NONFINITE {FC1}", "take an earlier checkpoint"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_weights_that_cannot_be_used_come_with_a_remedy(tmp_path: Path, case: str) -> None:
    spoil, what, remedy = SPOILED[case]
    weights = distinct_state_dict(CONFIG)
    spoiled = spoil(weights.pop(FC1))
    if spoiled is not None:
        weights[FC1] = spoiled
    path = tmp_path / "model.safetensors"
    path.write_bytes(writer.safetensors_bytes(weights, {"config": CONFIG.model_dump(mode="json")}))
    with pytest.raises(PortError) as refused:
        open_model(path)
    assert refused.value.what.startswith(what) and remedy in refused.value.hint
