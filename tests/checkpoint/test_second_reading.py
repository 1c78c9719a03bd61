"""The second reading: it finds what the first does, and a disagreement is refused."""

from __future__ import annotations

import pickle
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from signbart_port.checkpoint import NameRules, read, rewritten
from signbart_port.checkpoint.files import open_file
from signbart_port.checkpoint.second_reading import differing, views
from signbart_port.errors import PortError
from signbart_port.parity.workers import torch_weights

RULES = NameRules(("model",), ())


def contents() -> dict[str, torch.Tensor]:
    whole = torch.arange(60, dtype=torch.float32).reshape(6, 10)
    return {
        "whole": whole,
        "transposed": whole.T,
        "part": whole[1:, ::2],
        "parameter": torch.nn.Parameter(torch.ones(3)),
        "half": torch.arange(4.0).half(),
        "brain": torch.arange(4.0).bfloat16(),
        "wide": torch.arange(300, dtype=torch.float64) / 7,
        "whole numbers": torch.arange(5),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
    }


def saved(path: Path, protocol: int, legacy: bool = False) -> Path:
    beside = {"args": Namespace(lr=1), "set": {1, 2}, "bytes": b"ab", "list": [1, (2, 3.5)]}
    torch.save(
        {**beside, "model": contents()},
        path,
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=not legacy,
    )
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("legacy", [False, True])
def test_it_finds_what_the_first_reading_does(tmp_path: Path, protocol: int, legacy: bool) -> None:
    path = saved(tmp_path / "model.pth", protocol, legacy)
    state = open_file(path).loaded.root["model"]
    found = views(open_file(path).loaded.pickle, ("model",))
    assert list(found) == list(contents())
    for name, (key, _, numel, offset, size, stride) in found.items():
        storage = state[name].storage
        assert (storage.key, storage.numel) == (key, numel)
        assert (state[name].offset, state[name].size, state[name].stride) == (offset, size, stride)


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("legacy", [False, True])
def test_pytorch_reads_what_is_rewritten_bit_for_bit(
    tmp_path: Path, protocol: int, legacy: bool
) -> None:
    path = saved(tmp_path / "model.pth", protocol, legacy)
    found = read(path, RULES)
    rewrite = tmp_path / "rewritten.pth"
    rewrite.write_bytes(rewritten.rewrite(found.location, 0))
    again = torch.load(rewrite, weights_only=True)
    assert list(again) == list(contents())
    for name, tensor in contents().items():
        assert again[name].dtype == tensor.dtype and again[name].stride() == tensor.stride()
        assert torch.equal(again[name], tensor), name
    tensors, itself = torch_weights.read(found.location)
    assert itself == (protocol == 2) and tensors.keys() == contents().keys()


@pytest.mark.parametrize("field", range(6))
def test_a_disagreement_in_any_field_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: int
) -> None:
    found = read(saved(tmp_path / "model.pth", 4), RULES)
    right = views(open_file(tmp_path / "model.pth").loaded.pickle, ("model",))
    wrong = list(right["part"])
    wrong[field] = {0: "99", 1: "torch.IntStorage", 4: (5, 4), 5: (10, 1)}.get(field, 59)
    monkeypatch.setattr(
        rewritten.second_reading, "views", lambda *_: right | {"part": tuple(wrong)}
    )
    with pytest.raises(PortError, match="two readers of this program disagree on part"):
        rewritten.rewrite(found.location, 0)


def test_a_tensor_that_one_reading_lacks_is_a_disagreement() -> None:
    view = ("0", "torch.FloatStorage", 3, 0, (3,), (1,))
    assert differing({"a": view}, {}) == differing({}, {"a": view}) == ["a"]
    assert differing({"a": view}, {"a": view}) == []


def test_the_last_assignment_of_a_name_counts(tmp_path: Path) -> None:
    """As it does in a dict."""
    once = b"X\x01\0\0\0aK\x01s"
    assert views(b"\x80\x02}" + once + once + b".", ()) == {}
    assert pickle.loads(b"\x80\x02}" + once + once + b".") == {"a": 1}
