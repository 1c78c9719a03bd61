from __future__ import annotations

import pytest

from signbart_port.errors import PortError
from signbart_port.hub.address import parse
from signbart_port.hub.selection import check_sizes, select

INDEX = "model.safetensors.index.json"
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def files(address: str, *names: str) -> tuple[str, ...]:
    return select(parse(address), names).files


def test_the_weights_and_their_config_are_chosen_and_nothing_else() -> None:
    names = ("README.md", "config.json", "config.yaml", "model.py", "model.safetensors", "x.pth")
    assert files("hf://o/n", *names) == ("model.safetensors", "config.json")
    assert files("hf://o/n", "model.safetensors", "old/model.safetensors") == ("model.safetensors",)


def test_an_index_comes_with_its_shards() -> None:
    names = (*SHARDS, INDEX, "other-00001-of-00001.bin", "config.json")
    assert files("hf://o/n", *names) == (INDEX, *SHARDS, "config.json")


def test_a_pickle_is_taken_where_it_is_named_with_the_config_beside_it() -> None:
    names = ("model.safetensors", "config.json", "old/a.pth", "old/config.json", "b.pth")
    assert files("hf://o/n/old/a.pth", *names) == ("old/a.pth", "old/config.json")
    assert files("hf://o/n/b.pth", *names) == ("b.pth", "config.json")


@pytest.mark.parametrize(
    ("address", "names", "said"),
    [
        ("hf://o/n", ("a.safetensors", "b.safetensors"), "has 2 files of weights: a.saf"),
        ("hf://o/n", ("a.safetensors", "b.safetensors"), "Name a file: hf://o/n/a.safetensors"),
        ("hf://o/n@v1", ("pytorch_model.bin",), "Name a file: hf://o/n/pytorch_model.bin@v1"),
        ("hf://o/n", ("x/a.safetensors",), "has no .safetensors at its top"),
        ("hf://o/n", ("README.md",), "Give a repository with a model's weights"),
        ("hf://o/n/a.pth", ("b.pth",), "is not in the repository. Name a file: hf://o/n/b.pth"),
        ("hf://o/n/model.py", ("model.py",), "is no model file by its name"),
        ("hf://o/n", ("a\x1b[2J\n.safetensors",), r"an unusable name: a\x1b[2J\n.safetensors"),
        ("hf://o/n", ("..\\a.safetensors",), "an unusable name"),
    ],
)
def test_what_is_not_clear_is_refused_by_name(
    address: str, names: tuple[str, ...], said: str
) -> None:
    with pytest.raises(PortError) as refused:
        files(address, *names)
    assert said in str(refused.value) and str(refused.value).isprintable()


def test_sizes_are_added_up() -> None:
    check_sizes({"a": 60, "b": 40}, 100)
    with pytest.raises(PortError, match="has 101 bytes to download, and 100 are allowed"):
        check_sizes({"a": 60, "b": 41}, 100)
    for unknown in (None, -5):
        with pytest.raises(PortError, match="does not tell the size of a"):
            check_sizes({"a": unknown}, 100)
