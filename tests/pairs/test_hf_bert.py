"""BERT of Hugging Face and of keras-hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from signbart_port.pairs.hf_bert import Bert
from signbart_port.parity.config_keys import read_config
from tests.support.any_pair import carried, comes_back, proven
from tests.support.pair_faults import (
    Change,
    assert_blames,
    broken,
    flipped,
    other_module,
    swapped,
    transposed,
    with_rules,
    zeroed,
)

PAIR = Bert()
CONFIG = PAIR.read_config(PAIR.example, {})
LAYER = "encoder.layer.0"
ATTENTION = "transformer_layer_0/self_attention_layer"


@pytest.fixture(scope="module")
def models() -> tuple[Any, Any]:
    return carried(PAIR, CONFIG)


def test_both_compute_the_same(models: tuple[Any, Any]) -> None:
    report = proven(PAIR, CONFIG, *models)
    assert report.passed and report.same_structure, report.verdict()
    assert report.weights and report.weights.tensors == 7 + 2 * 16
    assert (len(report.rows), len(report.isolated), len(report.structure)) == (27, 22, 27)
    assert report.logits.elements == (12 + 8) * 24  # without what is padding
    assert comes_back(PAIR, CONFIG, *models)


WRONG_WEIGHTS: dict[str, tuple[Change, str]] = {
    "swapped gains": (
        swapped(f"{ATTENTION}_norm/gamma", "transformer_layer_0/feedforward_layer_norm/gamma"),
        f"{LAYER}.attention.output.LayerNorm",
    ),
    "swapped query and key": (
        swapped(f"{ATTENTION}/query/kernel", f"{ATTENTION}/key/kernel"),
        f"{LAYER}.attention.self.query",
    ),
    "transposed": (transposed("pooled_dense/kernel"), "pooler.dense"),
    "no bias": (
        zeroed("transformer_layer_0/feedforward_output_dense/bias"),
        f"{LAYER}.output.dense",
    ),
    "one bit": (flipped("position_embedding/embeddings"), "embeddings.position_embeddings"),
}


@pytest.mark.on_commit("swapped query and key", "one bit")
@pytest.mark.parametrize("name", WRONG_WEIGHTS)
def test_wrong_weights_are_found(models: tuple[Any, Any], name: str) -> None:
    change, module = WRONG_WEIGHTS[name]
    with broken(models[1], change):
        assert_blames(proven(PAIR, CONFIG, *models), module, weights=False)


@pytest.mark.release
@pytest.mark.parametrize(
    ("changes", "module"),
    [
        ({"layer_norm_eps": 1e-5}, "embeddings.LayerNorm"),
        ({"hidden_act": "gelu"}, f"{LAYER}.intermediate"),
        ({"num_attention_heads": 2}, LAYER),
    ],
)
def test_other_computations_are_found(
    models: tuple[Any, Any], changes: dict[str, Any], module: str
) -> None:
    other = other_module(PAIR, CONFIG, models[0], **changes)
    assert_blames(proven(PAIR, CONFIG, other, models[1]), module)


@pytest.mark.release
@pytest.mark.parametrize(
    ("changes", "module"),
    [
        ([("(heads size) in", "in (heads size)")], f"{LAYER}.attention.self.query"),
        ([("(heads size) in", "(size heads) in")], f"{LAYER}.attention.self.query"),
        ([(".query", ".*"), (".key", ".query"), (".*", ".key")], LAYER),
    ],
)
def test_wrong_rules_are_found(
    models: tuple[Any, Any], tmp_path: Path, changes: list[tuple[str, str]], module: str
) -> None:
    with with_rules(PAIR, models, tmp_path, *changes) as pair:
        assert comes_back(pair, CONFIG, *models)
        assert_blames(proven(pair, CONFIG, *models), module)


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu': the Keras model computes"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps is 1e-05"),
        ({"is_decoder": True}, "is_decoder is True"),
        ({"num_attention_heads": 5}, "hidden_size is 24, no multiple of num_attention_heads, 5"),
    ],
)
def test_what_keras_hub_lacks_is_refused(stated: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_config(PAIR, stated, CONFIG)
