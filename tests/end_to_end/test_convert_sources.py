"""convert, from every container, precision and prefix that checkpoints come in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import safetensors.torch
import torch

import signbart_port
from signbart_port.cli import main
from tests.support.framework_models import weights_of
from tests.support.small_models import small_config, state_dict

CONFIG = small_config()
State = dict[str, torch.Tensor]


def legacy(data: Any, path: Path) -> None:
    """Torch before 1.6 wrote no zip."""
    torch.save(data, path, _use_new_zipfile_serialization=False)


def prefixed(state: State, prefix: str) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


# name: (the tensors' type in the file, what writes them)
SOURCES: dict[str, tuple[torch.dtype, Callable[[State, Path], Any]]] = {
    "state_dict.pth": (
        torch.float32,
        lambda s, p: legacy({"state_dict": prefixed(s, "module.")}, p),
    ),
    "model_state_dict.pt": (
        torch.bfloat16,
        lambda s, p: torch.save({"model_state_dict": prefixed(s, "_orig_mod.module.")}, p),
    ),
    "half.pth": (torch.float16, torch.save),
    "double.pth": (
        torch.float64,
        lambda s, p: torch.save({"model": s, "optimizer": {"state": {}}, "epoch": 7}, p),
    ),
    "prefixed.safetensors": (
        torch.float32,
        lambda s, p: safetensors.torch.save_file(prefixed(s, "module."), p),
    ),
    "with_loss_weights.pth": (
        torch.float32,
        lambda s, p: torch.save(s | {"loss_fn.weight": torch.ones(5)}, p),
    ),
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.on_commit("half.pth")
def test_converts_and_is_proven(tmp_path: Path, name: str) -> None:
    dtype, write = SOURCES[name]
    finer = 1 + 2**-40 if dtype is torch.float64 else 1  # digits that float32 cannot keep
    state = {
        name: (torch.from_numpy(array).double() * finer).to(dtype)
        for name, array in state_dict(CONFIG).items()
    }
    source = tmp_path / name
    write(state, source)
    source.with_suffix(".yaml").write_text(CONFIG.model_dump_json())

    done = signbart_port.convert(source, tmp_path / "model.h5")
    assert done.report is not None and done.report.passed
    written = weights_of(done.out)
    assert written.keys() == state.keys()
    for key, tensor in state.items():
        np.testing.assert_array_equal(written[key], tensor.float().numpy(), err_msg=key)


def test_a_config_stored_in_the_checkpoint(tmp_path: Path) -> None:
    state = {name: torch.from_numpy(array) for name, array in state_dict(CONFIG).items()}
    config = CONFIG.model_dump(mode="json") | {"epochs": 80, "learning_rate": 2e-4}
    torch.save({"model": state, "config": config, "epoch": 3}, tmp_path / "model.pth")
    done = signbart_port.convert(tmp_path / "model.pth", tmp_path / "model.h5")
    assert done.source.resolved.origin == "stored in the checkpoint"
    assert done.source.resolved.config.training["epochs"] == 80
    assert done.report is not None and done.report.passed


@pytest.mark.release
def test_averaged_weights_are_named_however_quiet_and_converted_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state, ema = (
        {name: torch.from_numpy(array) for name, array in state_dict(CONFIG, seed).items()}
        for seed in (1, 2)
    )
    source = tmp_path / "model.pth"
    torch.save({"state_dict": state, "state_dict_ema": ema}, source)
    source.with_suffix(".yaml").write_text(CONFIG.model_dump_json())
    monkeypatch.setattr("sys.argv", ["signbart-port", "convert", str(source), "-q"])
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    assert not end.value.code and printed.out == ""
    assert "averaged weights (EMA)" in printed.err and "--weights ema takes them" in printed.err
    written = weights_of(tmp_path / "model.h5")
    assert all(np.array_equal(written[name], tensor.numpy()) for name, tensor in state.items())

    done = signbart_port.convert(source, tmp_path / "ema.h5", signbart_port.Options(weights="ema"))
    assert done.report is not None and done.report.passed and done.cautions == ()
    written = weights_of(done.out)
    assert all(np.array_equal(written[name], tensor.numpy()) for name, tensor in ema.items())


@pytest.mark.release
def test_what_pytorch_has_not_read_itself_is_said_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = {name: torch.from_numpy(array) for name, array in state_dict(CONFIG).items()}
    source = tmp_path / "model.pth"
    content = {"model": state, "config": CONFIG.model_dump(mode="json")}
    torch.save(content, source, pickle_protocol=5)
    monkeypatch.setattr("sys.argv", ["signbart-port", "convert", str(source), "-q"])
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    assert not end.value.code and "read by this program alone, in two ways" in printed.err
    with h5py.File(tmp_path / "model.h5") as file:
        provenance = json.loads(file.attrs["signbart_port"])
    assert any("by this program alone" in note for note in provenance["source"]["notes"])
    report = signbart_port.verify(source, tmp_path / "model.h5")
    assert report.passed and any("by this program alone" in note for note in report.notes)
