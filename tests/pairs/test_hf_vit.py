"""ViT of Hugging Face and of keras-hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

import signbart_port
from signbart_port.pairs.hf_vit import ViT
from tests.support.any_pair import comes_back, proven
from tests.support.pair_faults import flipped, swapped, transposed, zeroed
from tests.support.pair_tests import PairTests

pytestmark = pytest.mark.release  # BERT stands for them on a commit
PAIR = ViT()
CONFIG = PAIR.read_config(PAIR.example, {})
BLOCK = "vit_encoder/transformer_block_1"
TESTS = PairTests(PAIR, CONFIG)
models = TESTS.models()


def test_both_compute_the_same(models: tuple[Any, Any]) -> None:
    report = proven(PAIR, CONFIG, *models)
    assert report.passed and report.same_structure, report.verdict()
    assert report.weights and report.weights.tensors == 6 + 2 * 16
    assert (len(report.rows), len(report.isolated), len(report.structure)) == (26, 18, 26)
    assert comes_back(PAIR, CONFIG, *models)


test_wrong_weights_are_found = TESTS.wrong_weights(
    {
        "swapped gains": (
            swapped(f"{BLOCK}/ln_1/gamma", f"{BLOCK}/ln_2/gamma"),
            "layers.0.layernorm_before",
        ),
        "swapped query and key": (
            swapped(f"{BLOCK}/mha/query/kernel", f"{BLOCK}/mha/key/kernel"),
            "layers.0.attention.q_proj",
        ),
        "transposed": (
            transposed(f"{BLOCK}/mha/attention_output/kernel"),
            "layers.0.attention.o_proj",
        ),
        "no bias": (zeroed(f"{BLOCK}/mlp/dense_2/bias"), "layers.0.mlp.fc2"),
        "one bit": (flipped("vit_patching_and_embedding/class_token"), "embeddings"),
    }
)


test_other_computations_are_found = TESTS.other_computations(
    [
        ({"layer_norm_eps": 1e-5}, "layers.0.layernorm_before"),
        ({"hidden_act": "gelu_new"}, "layers.0.mlp"),
        ({"num_attention_heads": 2}, "layers.0.attention"),
    ]
)


test_wrong_rules_are_found = TESTS.wrong_rules(
    [
        (
            [("-> height width in", "-> width height in")],
            "embeddings.patch_embeddings.projection",
        ),
        ([("(heads size) in ->", "in (heads size) ->")], "layers.0.attention.q_proj"),
        ([("q_proj", "*"), ("k_proj", "q_proj"), ("*", "k_proj")], "layers.0.attention"),
    ]
)


test_what_keras_hub_lacks_is_refused = TESTS.refused(
    [
        ({"hidden_act": "gelu_new"}, "hidden_act is 'gelu_new': the Keras model"),
        ({"qkv_bias": False}, "qkv_bias is False"),
        ({"num_attention_heads": 5}, "hidden_size is 24, no multiple of num_attention_heads, 5"),
    ]
)


def test_a_saved_folder_converts(models: tuple[Any, Any], tmp_path: Path) -> None:
    """Its names are those from before version 5 of Transformers, not those of the module."""
    models[0].save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    with safe_open(path, "np") as file:
        assert not set(file.keys()) >= models[0].state_dict().keys()
    done = signbart_port.convert_pair(path, "hf-vit", tmp_path / "vit.weights.h5")
    assert done.report and done.report.passed and done.report.same_structure
    assert not signbart_port.plan_pair(path, "hf-vit").findings
    back = signbart_port.export_pair(done.out, "hf-vit", tmp_path / "back.pth")
    assert back.report.passed and not back.left
