"""An index of shards, as libraries of Hugging Face write it, and a shard by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from signbart_port.checkpoint import NameRules, read
from signbart_port.checkpoint.files import check_whole
from signbart_port.errors import PortError
from signbart_port.parity.workers import torch_weights
from signbart_port.untrusted.refusal import Refusal

RULES = NameRules((), ())
WEIGHTS = {f"layer.{n}.weight": torch.arange(6.0).reshape(2, 3) + 10 * n for n in range(5)}


def sharded(folder: Path, suffix: str) -> Path:
    """Write the weights into two shards, and return their index."""
    stem = "model" if suffix == ".safetensors" else "pytorch_model"
    places = {}
    for number, part in ((1, list(WEIGHTS)[:3]), (2, list(WEIGHTS)[3:])):
        shard = f"{stem}-{number:05}-of-00002{suffix}"
        state = {name: WEIGHTS[name] for name in part}
        (save_file if suffix == ".safetensors" else torch.save)(state, folder / shard)
        places |= dict.fromkeys(part, shard)
    index = folder / f"{stem}{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 120}, "weight_map": places}))
    return index


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_shards_are_read_together_by_both_readers(tmp_path: Path, suffix: str) -> None:
    found = read(sharded(tmp_path, suffix), RULES)
    assert list(found.tensors) == list(WEIGHTS)
    tensors, itself = torch_weights.read(found.location)
    assert itself
    for name, tensor in WEIGHTS.items():
        assert found.tensors[name].tolist() == tensors[name].tolist() == tensor.tolist()
    assert found.notes[0].startswith("2 shards read together")


def test_the_digest_is_of_the_index_and_every_shard(tmp_path: Path) -> None:
    index = sharded(tmp_path, ".bin")
    before = read(index, RULES).sha256
    assert read(index, RULES).sha256 == before
    shard = tmp_path / "pytorch_model-00002-of-00002.bin"
    state = torch.load(shard, weights_only=True)
    torch.save({name: tensor + 1 for name, tensor in state.items()}, shard)
    assert read(index, RULES).sha256 != before


def changed(index: Path, change) -> Path:
    data = json.loads(index.read_text())
    change(data)
    index.write_text(json.dumps(data))
    return index


FIRST = "layer.0.weight"
WRONG = {
    "no map": (lambda d: d.update(weight_map={}), "no weight_map"),
    "a path": (lambda d: d["weight_map"].update({FIRST: "../x.bin"}), "no file beside it"),
    "a number": (lambda d: d["weight_map"].update({FIRST: 3}), "no file beside it"),
    "a missing file": (lambda d: d.update(weight_map={FIRST: "x.bin"}), "does not exist"),
    "another shard": (
        lambda d: d["weight_map"].update({FIRST: "pytorch_model-00002-of-00002.bin"}),
        "does not place in it",
    ),
    "a tensor too many": (
        lambda d: d["weight_map"].update({"more": "pytorch_model-00001-of-00002.bin"}),
        'lacks "more"',
    ),
    "a tensor too few": (lambda d: d["weight_map"].pop(FIRST), "does not place in it"),
    "many shards": (
        lambda d: d["weight_map"].update({f"n{i}": f"{i}.bin" for i in range(200)}),
        "more than 100 shards",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_index_that_is_wrong_is_refused(tmp_path: Path, case: str) -> None:
    change, words = WRONG[case]
    with pytest.raises(PortError, match=words):
        read(changed(sharded(tmp_path, ".bin"), change), RULES)


def test_an_index_that_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors.index.json"
    path.write_text('{"weight_map": {"a": "b"')
    with pytest.raises(PortError, match="is not JSON"):
        read(path, RULES)
    path.write_text('{"weight_map": {"a": "b", "a": "c"}}')
    with pytest.raises(PortError, match="twice"):
        read(path, RULES)


@pytest.mark.parametrize("index", [True, False])
def test_one_shard_alone_says_so(tmp_path: Path, index: bool) -> None:
    path = sharded(tmp_path, ".bin")
    if not index:
        path.unlink()
    with pytest.raises(Refusal) as caught:
        check_whole(tmp_path / "pytorch_model-00001-of-00002.bin")
    assert caught.value.what == "is shard 1 of 2"
    assert "pytorch_model.bin.index.json" in caught.value.hint
    assert ("not beside it" in caught.value.hint) == (not index)


@pytest.mark.parametrize("name", ["model.pth", "model-00001-of-00001.bin", "best-00003.pth"])
def test_a_whole_file_is_no_shard(tmp_path: Path, name: str) -> None:
    check_whole(tmp_path / name)


def test_a_shard_that_is_not_there_says_which_are_needed(tmp_path: Path) -> None:
    path = sharded(tmp_path, ".bin")
    (tmp_path / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(PortError) as caught:
        read(path, RULES)
    assert caught.value.path == tmp_path / "pytorch_model-00002-of-00002.bin"
    assert (caught.value.what, caught.value.hint) == (
        "does not exist",
        f"Get all shards that {path.name} names",
    )
