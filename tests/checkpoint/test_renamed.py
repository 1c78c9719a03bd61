"""Modules whose paths in files are not those in the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from signbart_port import transfer
from signbart_port.checkpoint import NameRules, read
from signbart_port.errors import PortError
from signbart_port.model_files.wanted import NamesWanted

MAPPING = """\
schema: 2
family: mine
checkpoint:
  renamed:
    - {file: 'enc.{layer}.mlp.up', torch: 'layers.{layer}.fc1'}
    - {file: 'enc.{layer}', torch: 'layers.{layer}'}
axes:
  layer: {range: layers}
kinds:
  kind: [{torch: w, keras: k, axes: width}]
modules:
  - {path: 'layers.{layer}.fc1', kind: kind}
  - {path: 'layers.{layer}.norm', kind: kind}
"""
NAMES = {
    "layers.0.fc1.w": "enc.0.mlp.up.w",
    "layers.0.norm.w": "enc.0.norm.w",
    "layers.12.fc1.w": "enc.12.mlp.up.w",
    "layers.1.norm.w": "layers.1.norm.w",
    "encoder.0.norm": "encoder.0.norm",
    "layers.0": "enc.0",
    "enc": "enc",
}


@pytest.fixture
def mapping(tmp_path: Path) -> transfer.WeightMapping:
    (path := tmp_path / "mine.yaml").write_text(MAPPING)
    return transfer.load(path)


def rules_of(mapping: transfer.WeightMapping) -> NameRules:
    return NameRules(mapping.unwrap, mapping.strip_prefixes, mapping.renamed)


def test_names(mapping: transfer.WeightMapping) -> None:
    rules = rules_of(mapping)
    assert {rules.in_model(name): name for name in NAMES.values()} == NAMES
    assert mapping.in_file("layers.{layer}.fc1") == "enc.{layer}.mlp.up"
    assert mapping.in_file("layers.{layer}.norm") == "enc.{layer}.norm"
    assert mapping.in_file("norm") == "norm"


@pytest.mark.parametrize("prefix", ["", "model."])
def test_a_file(mapping: transfer.WeightMapping, tmp_path: Path, prefix: str) -> None:
    stored = [f"{prefix}enc.0.mlp.up.w", f"{prefix}enc.0.norm.w"]
    save_file({name: np.float32([n]) for n, name in enumerate(stored)}, tmp_path / "a.safetensors")
    found = read(tmp_path / "a.safetensors", rules_of(mapping), NamesWanted(mapping))
    assert {name: array.tolist() for name, array in found.tensors.items()} == {
        "layers.0.fc1.w": [0],
        "layers.0.norm.w": [1],
    }
    assert list(found.location.names.values()) == stored


def test_both_names_of_a_tensor_are_refused(
    mapping: transfer.WeightMapping, tmp_path: Path
) -> None:
    names = ["enc.0.norm.w", "layers.0.norm.w", "layers.0.fc1.w"]
    save_file({name: np.float32([1]) for name in names}, tmp_path / "a.safetensors")
    with pytest.raises(PortError, match="COLLISION"):
        read(tmp_path / "a.safetensors", rules_of(mapping), NamesWanted(mapping))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("torch: 'layers.{layer}.fc1'", "torch: 'layer.{layer}'", "no rule has a module layer."),
        ("file: 'enc.{layer}.mlp", "file: 'enc.mlp", "use different placeholders"),
        ("file: 'enc.{layer}.mlp", "file: 'enc.{n}.mlp", "{n} is not declared"),
        ("file: 'enc.{layer}.mlp.up', ", "", "missing file"),
    ],
)
def test_what_cannot_be_is_refused_by_its_line(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert old in MAPPING
    (path := tmp_path / "mine.yaml").write_text(MAPPING.replace(old, new, 1))
    with pytest.raises(PortError) as refused:
        transfer.load(path)
    assert "mine.yaml: line 5: " in str(refused.value) and says in str(refused.value)
