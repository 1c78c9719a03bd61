"""convert, on checkpoints as people have them: what is in the file, and what is said about it."""

from __future__ import annotations

import hashlib
import json
from importlib import metadata
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import signbart_port
from signbart_port import Options, PortError
from signbart_port import config as configs
from signbart_port.parity.taps import LOGITS
from tests.support.framework_models import save_model, torch_model, weights_of
from tests.support.small_models import (
    distinct_state_dict,
    plan_of,
    save_pth,
    small_config,
    state_dict,
)

CONFIG = small_config()


def provenance(path: Path) -> dict:
    with h5py.File(path) as file:
        return json.loads(file.attrs["signbart_port"])


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and np.array_equal(a.view(np.uint32), b.view(np.uint32))


def test_real_checkpoint(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "user08.pth"
    steps: list[str] = []
    done = signbart_port.convert(source, tmp_path / "model.h5", progress=steps.append)

    assert sorted(tmp_path.iterdir()) == [tmp_path / "model.h5"]
    assert len(steps) >= 3
    assert done.parameters == 742_922 and done.source.resolved.origin == "user08.yaml beside it"
    report = done.report
    assert report is not None and report.passed and report.agreement == (7, 7)

    state = torch.load(source, weights_only=True)["model"]
    weights = weights_of(done.out)
    assert weights.keys() == state.keys()
    for name, tensor in state.items():
        assert same_bits(np.ascontiguousarray(weights[name]), tensor.numpy()), name

    # Every module of the reference is in the table, and the logits last; each was also run alone.
    model = torch_model(done.source.resolved.config, weights)
    modules = {name for name, _ in model.named_modules()} - {"", "encoder.layers", "decoder.layers"}
    assert {row.module for row in report.isolated} == modules
    taps = [row.tap for row in report.rows]
    assert taps == [*(row.tap for row in report.isolated), LOGITS]

    told = provenance(done.out)
    assert told["source"] == {
        "name": "user08.pth",
        "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "container": "zip",
        "notes": list(done.source.checkpoint.notes),
    }
    assert told["config_origin"] == "user08.yaml beside it"
    assert told["mapping"]["family"] == "signbart" and len(told["mapping"]["sha256"]) == 64
    assert told["proof"]["passed"] is True
    assert told["proof"]["outputs"] == len(report.rows)
    assert told["proof"]["logits"] == {
        "error": report.logits.error,
        "reference_error": report.logits.noise,
    }
    for name in ("signbart-port", "torch", "keras", "tensorflow", "numpy"):
        assert told["versions"][name].partition("+")[0] == metadata.version(name).partition("+")[0]


def test_a_published_model_by_the_name_of_its_config(tmp_path: Path) -> None:
    config = configs.named("lsa-64")
    arrays = state_dict(config)
    assert len(arrays) == 96
    source = save_pth(tmp_path / "lsa.pth", arrays)
    with pytest.raises(
        PortError, match=r'Options\.config=FILE\|NAME \(Options\.config="lsa-64" if '
    ):
        signbart_port.convert(source, tmp_path / "lsa.h5")
    assert not (tmp_path / "lsa.h5").exists()
    done = signbart_port.convert(source, tmp_path / "lsa.h5", Options(config="lsa-64"))

    assert done.parameters == 749_888
    assert done.source.resolved.config.joint_idx == config.joint_idx
    assert done.source.resolved.config.encoder_attention_heads == 16
    assert done.source.resolved.origin == "lsa-64" and done.source.resolved.notes == ()
    used = [transfer.torch for transfer in done.source.plan.transfers]
    assert sorted(used) == sorted(arrays)
    written = weights_of(done.out)
    assert written.keys() == arrays.keys()
    assert all(same_bits(np.ascontiguousarray(written[n]), arrays[n]) for n in arrays)


def test_every_element_in_its_place(tmp_path: Path) -> None:
    """No two of its values are equal, so none can stand for another."""
    arrays = distinct_state_dict(CONFIG)
    done = signbart_port.convert(save_model(tmp_path, CONFIG, arrays), tmp_path / "model.h5")
    assert done.report is not None and done.report.passed
    written = weights_of(done.out)
    assert written.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(written[name], array, err_msg=name)


def test_the_karsl_100_rows_are_not_guessed(tmp_path: Path) -> None:
    """Equal shapes, different heads: asked for."""
    config = configs.named("karsl-100-signers-01-02")
    source = save_pth(tmp_path / "karsl.pth", state_dict(config))
    with pytest.raises(PortError, match=r'heads and the joints.*karsl-100-signers-01-02" if'):
        signbart_port.convert(source, tmp_path / "karsl.h5")
    assert not (tmp_path / "karsl.h5").exists()
    options = Options(heads=1, joints=config.joint_idx)
    done = signbart_port.convert(source, tmp_path / "karsl.h5", options, verify=False)
    assert done.source.resolved.config.encoder_attention_heads == 1


def test_without_a_proof_the_file_says_so(tmp_path: Path) -> None:
    source = save_model(tmp_path, CONFIG)
    done = signbart_port.convert(source, tmp_path / "model.h5", verify=False)
    assert done.report is None
    told = provenance(done.out)
    assert told["proof"] == "nothing was compared with PyTorch (--no-verify)"
    assert "torch" not in told["versions"]
    arrays = state_dict(CONFIG)
    written = weights_of(done.out)
    assert all(same_bits(np.ascontiguousarray(written[n]), arrays[n]) for n in arrays)


@pytest.mark.parametrize("name", ["model", "model.keras", "model.weights.h5", "model.hdf5"])
def test_only_h5_is_written(tmp_path: Path, name: str) -> None:
    source = save_model(tmp_path, CONFIG)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(PortError, match=r"the Keras model is written as \.h5"):
        signbart_port.convert(source, tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.release
def test_layout_selected(tmp_path: Path) -> None:
    config = CONFIG.replace(layout="selected")
    done = signbart_port.convert(save_model(tmp_path, config), tmp_path / "model.h5")
    assert done.report is not None and done.report.passed
    loaded = signbart_port.load(done.out)
    assert loaded.config.layout == "selected"
    assert loaded.input["keypoints"].shape == (None, None, len(config.joint_idx), 2)


@pytest.mark.release
def test_one_layer_more_or_less(tmp_path: Path) -> None:
    config = CONFIG.replace(encoder_layers=1, decoder_layers=4)
    done = signbart_port.convert(save_model(tmp_path, config), tmp_path / "model.h5")
    assert done.report is not None and done.report.passed
    assert len(weights_of(done.out)) == len(plan_of(config).transfers)
