"""Writing checkpoints: every bit, in PyTorch's order, and plain data beside."""

from __future__ import annotations

import io
import json
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from signbart_port.checkpoint import NameRules, read, writer
from signbart_port.errors import PortError
from signbart_port.pairs.signbart_state_dict import state_layout
from signbart_port.system import processes
from signbart_port.transfer import same_bits
from tests.support.framework_models import torch_model
from tests.support.running import run_python
from tests.support.small_models import distinct_state_dict, small_config, state_dict

CONFIG = small_config()
PLAIN: dict[str, Any] = CONFIG.model_dump(mode="json")
RULES = NameRules(("model",), ("module.",))
ODD = np.array([-0.0, 0.0, 1e-45, -1e-40, 1.1754942e-38, 3.4028235e38, -3.4028235e38], np.float32)


def with_odd_values() -> dict[str, np.ndarray]:
    """Distinct values, some of which a careless copy would change: negative zero, denormals."""
    arrays = distinct_state_dict(CONFIG)
    name = "decoder.layers.1.encoder_attn.k_proj.weight"
    arrays[name] = arrays[name].copy()
    arrays[name][2, :7] = ODD
    return arrays


def views_of(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same values, laid out the other way round in memory, as a transfer gives them."""
    return {name: array.T.copy().T for name, array in arrays.items()}


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def torch_bytes(**beside: Any) -> bytes:
    return writer.torch_bytes(views_of(with_odd_values()), state_layout(CONFIG), beside or None)


@pytest.mark.parametrize("kind", ["bare.pth", "training.pth", "model.safetensors"])
def test_every_bit_is_read_again(tmp_path: Path, kind: str) -> None:
    if kind == "model.safetensors":
        data = writer.safetensors_bytes(views_of(with_odd_values()), {"config": PLAIN})
    else:
        data = torch_bytes(config=PLAIN) if kind == "training.pth" else torch_bytes()
    checkpoint = read(written(tmp_path / kind, data), RULES)
    arrays = with_odd_values()
    assert checkpoint.tensors.keys() == arrays.keys()
    for name, array in arrays.items():
        assert same_bits(checkpoint.tensors[name], array), name
    assert checkpoint.config == (None if kind == "bare.pth" else PLAIN)


def test_pytorch_finds_its_own_state_dict() -> None:
    """Names, order, metadata: as torch.save(model.state_dict()) leaves them."""
    state = torch.load(io.BytesIO(torch_bytes()), weights_only=True)
    expected = torch_model(CONFIG, state_dict(CONFIG)).state_dict()
    assert type(state) is OrderedDict and list(state) == list(expected)
    assert state._metadata == expected._metadata  # type: ignore[attr-defined]
    for name, array in with_odd_values().items():
        assert same_bits(state[name].numpy(), array), name
        assert not state[name].requires_grad


def test_plain_data_beside_the_weights() -> None:
    beside = {"config": PLAIN, "odd": [1, 2.5, None, True, "ş", {"deep": -(2**70)}]}
    loaded = torch.load(io.BytesIO(torch_bytes(**beside)), weights_only=True)
    assert list(loaded) == ["model", "config", "odd"]
    assert {key: loaded[key] for key in beside} == beside


def test_the_metadata_of_a_safetensors(tmp_path: Path) -> None:
    data = writer.safetensors_bytes(state_dict(CONFIG), {"config": PLAIN, "by": ["ş"]})
    with safe_open(written(tmp_path / "model.safetensors", data), "pt") as file:
        metadata = file.metadata()
    assert metadata.keys() == {"format", "config", "by"} and metadata["format"] == "pt"
    assert json.loads(metadata["config"]) == PLAIN and json.loads(metadata["by"]) == ["ş"]


def test_the_same_pth_each_time() -> None:
    assert torch_bytes(config=PLAIN) == torch_bytes(config=PLAIN)


def test_tensors_of_another_model() -> None:
    """No name too few, too many or different."""
    arrays = state_dict(CONFIG)
    bias = arrays.pop("projection.proj_x1.bias")
    with pytest.raises(PortError, match=r"PyTorch cannot write .*no tensor projection\.pr"):
        writer.torch_bytes(arrays, state_layout(CONFIG))
    arrays |= {"projection.proj_x1.bias": bias, "more": bias}
    with pytest.raises(PortError, match=r"PyTorch cannot write .*unexpected tensor more"):
        writer.torch_bytes(arrays, state_layout(CONFIG))


@pytest.mark.parametrize(
    "changes",
    [{}, {"encoder_layers": 1, "decoder_layers": 3}, {"layout": "selected", "d_model": 24}],
)
def test_the_bytes_of_a_models_own_state_dict(changes: dict[str, Any]) -> None:
    """Bit for bit what torch.save makes of it, whatever the config."""
    config = small_config(**changes)
    model = torch_model(config, state_dict(config))
    torch.save(model.state_dict(), expected := io.BytesIO())
    arrays = views_of(state_dict(config))
    assert writer.torch_bytes(arrays, state_layout(config)) == expected.getvalue()


def test_a_child_that_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    monkeypatch.setattr(processes, "command", lambda *_: [sys.executable, "-c", code])
    with pytest.raises(PortError, match=r"^PyTorch cannot write the checkpoint \(status -9\)$"):
        torch_bytes()


@pytest.mark.release
def test_no_framework_in_this_process() -> None:
    code = """
import sys
import numpy as np
from signbart_port.checkpoint import writer
from signbart_port.pairs.signbart_state_dict import state_layout
from tests.support.small_models import small_config, state_dict
config = small_config()
writer.safetensors_bytes(state_dict(config))
assert writer.torch_bytes(state_dict(config), state_layout(config)).startswith(b"PK")
print(sorted({"torch", "tensorflow", "keras"} & set(sys.modules)))
"""
    assert run_python(code) == "[]\n"
