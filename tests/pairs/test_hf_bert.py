"""BERT of Hugging Face and of keras-hub."""

from __future__ import annotations

from typing import Any

import pytest

from signbart_port.pairs.hf_bert import Bert
from tests.support.any_pair import comes_back, proven
from tests.support.pair_faults import flipped, swapped, transposed, zeroed
from tests.support.pair_tests import PairTests

PAIR = Bert()
CONFIG = PAIR.read_config(PAIR.example, {})
LAYER = "encoder.layer.0"
ATTENTION = "transformer_layer_0/self_attention_layer"
TESTS = PairTests(PAIR, CONFIG)
models = TESTS.models()


def test_both_compute_the_same(models: tuple[Any, Any]) -> None:
    report = proven(PAIR, CONFIG, *models)
    assert report.passed and report.same_structure, report.verdict()
    assert report.weights and report.weights.tensors == 7 + 2 * 16
    assert (len(report.rows), len(report.isolated), len(report.structure)) == (27, 22, 27)
    assert report.logits.elements == (12 + 8) * 24  # without what is padding
    assert comes_back(PAIR, CONFIG, *models)


test_wrong_weights_are_found = pytest.mark.on_commit("swapped query and key", "one bit")(
    TESTS.wrong_weights(
        {
            "swapped gains": (
                swapped(
                    f"{ATTENTION}_norm/gamma", "transformer_layer_0/feedforward_layer_norm/gamma"
                ),
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
    )
)


test_other_computations_are_found = pytest.mark.release(
    TESTS.other_computations(
        [
            ({"layer_norm_eps": 1e-5}, "embeddings.LayerNorm"),
            ({"hidden_act": "gelu"}, f"{LAYER}.intermediate"),
            ({"num_attention_heads": 2}, LAYER),
        ]
    )
)


test_wrong_rules_are_found = pytest.mark.release(
    TESTS.wrong_rules(
        [
            ([("(heads size) in", "in (heads size)")], f"{LAYER}.attention.self.query"),
            ([("(heads size) in", "(size heads) in")], f"{LAYER}.attention.self.query"),
            ([(".query", ".*"), (".key", ".query"), (".*", ".key")], LAYER),
        ]
    )
)


test_what_keras_hub_lacks_is_refused = TESTS.refused(
    [
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu': the Keras model computes"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps is 1e-05"),
        ({"is_decoder": True}, "is_decoder is True"),
        ({"num_attention_heads": 5}, "hidden_size is 24, no multiple of num_attention_heads, 5"),
    ]
)
