"""Layers of one's own on both sides: each mistake of writing them anew is found and blamed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import nn

import signbart_port
from signbart_port import Case
from signbart_port.parity.report import Report
from signbart_port.parity.workers.torch_perturbed import perturb
from tests.support.own_layers import (
    MAPPING,
    KerasAttention,
    KerasBlock,
    KerasNorm,
    KerasOwn,
    Own,
    OwnPair,
)


@pytest.fixture(scope="module")
def reference() -> nn.Module:
    return perturb(Own())


def proven(reference: nn.Module, folder: Path, mapping: str = MAPPING) -> Report:
    (path := folder / "own.yaml").write_text(mapping)
    image = np.random.default_rng(0).normal(size=(2, 3, 8, 12)).astype(np.float32)
    case = Case("images", {"image": image}, {"image": np.moveaxis(image, 1, -1)})
    model = OwnPair().keras_model({})
    signbart_port.transfer_weights(reference, model, mapping=path)
    given = {"mapping": path, "cases": case, "pair": OwnPair(), "config": {}}
    return signbart_port.prove(reference, model, **given)


def test_right_models_are_equal(reference: nn.Module, tmp_path: Path) -> None:
    report = proven(reference, tmp_path)
    assert report.passed, report.verdict()
    assert len(report.rows) == 9 and report.structure_error < 1e-14


FAULTS = {
    "epsilon": (KerasNorm, "block.norm"),
    "gain plus one": (KerasNorm, "block.norm"),
    "groups tiled": (KerasAttention, "block.attn"),
    "rotary pairs": (KerasAttention, "block.attn"),
    "no layer scale": (KerasBlock, "block"),
    "columns first": (KerasOwn, "logits"),
}


@pytest.mark.on_commit("epsilon", "rotary pairs", "columns first")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_is_blamed_on_its_module(
    fault: str, reference: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, module = FAULTS[fault]
    monkeypatch.setattr(layer, "fault", fault)
    report = proven(reference, tmp_path)
    assert report.blame and report.blame.module == module, report.verdict()
    if fault == "columns first":  # the norm is right, given what PyTorch's is
        assert report.blame.row.tap == "block.norm"
        assert report.verdict().endswith("; patch before it is right")


def test_a_square_kernel_that_is_not_transposed(reference: nn.Module, tmp_path: Path) -> None:
    """Only the proof can tell: both ways have the same shapes."""
    wrong = MAPPING.replace("[q, k, v, o]", "[k, v, o]")
    wrong += "  - {torch: block.attn.q, keras: own/block/attn/q, kind: untransposed}\n"
    report = proven(reference, tmp_path, wrong)
    assert report.blame and report.blame.module == "block.attn.q", report.verdict()


def test_a_model_without_a_name_is_told_to_have_one(reference: nn.Module, tmp_path: Path) -> None:
    (path := tmp_path / "own.yaml").write_text(MAPPING)
    _, second = (OwnPair().keras_model({"name": None}) for _ in range(2))
    with pytest.raises(signbart_port.PortError) as refused:
        signbart_port.transfer_weights(reference, second, mapping=path)
    assert refused.value.hint.startswith(
        "Give the model a name, super().__init__(name='keras_own')"
    )


def test_a_mapping_without_the_name_of_the_model_is_told_to_have_it(
    reference: nn.Module, tmp_path: Path
) -> None:
    (path := tmp_path / "own.yaml").write_text(MAPPING.replace("own/", ""))
    with pytest.raises(signbart_port.PortError) as refused:
        signbart_port.transfer_weights(reference, OwnPair().keras_model({}), mapping=path)
    assert refused.value.hint.startswith("In the mapping begin its paths with the model's name")
    assert "as in own/" in refused.value.hint
