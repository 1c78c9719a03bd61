"""GPT-2 of Hugging Face and of keras-hub."""

from __future__ import annotations

from typing import Any

import pytest

from signbart_port.pairs.hf_gpt2 import GPT2
from tests.support.any_pair import comes_back, proven
from tests.support.pair_faults import flipped, swapped, transposed, zeroed
from tests.support.pair_tests import PairTests

pytestmark = pytest.mark.release  # BERT stands for them on a commit
PAIR = GPT2()
CONFIG = PAIR.read_config(
    {
        "vocab_size": 31,
        "n_embd": 24,
        "n_layer": 2,
        "n_head": 4,
        "n_inner": 40,
        "n_positions": 14,
        "bos_token_id": None,
        "eos_token_id": None,
    },
    {},
)
ATTENTION = "transformer_layer_0/self_attention"
TESTS = PairTests(PAIR, CONFIG)
models = TESTS.models()


def test_both_compute_the_same(models: tuple[Any, Any]) -> None:
    report = proven(PAIR, CONFIG, *models)
    assert report.passed and report.same_structure, report.verdict()
    assert report.weights and report.weights.tensors == 4 + 2 * 16
    assert (len(report.rows), len(report.isolated), len(report.structure)) == (18, 12, 18)
    assert report.logits.elements == (12 + 8) * 24  # without what is padding
    assert comes_back(PAIR, CONFIG, *models)


test_wrong_weights_are_found = TESTS.wrong_weights(
    {
        "swapped gains": (
            swapped(
                f"{ATTENTION}_layer_norm/gamma", "transformer_layer_0/feedforward_layer_norm/gamma"
            ),
            "h.0.ln_1",
        ),
        "swapped query and key": (
            swapped(f"{ATTENTION}/query/kernel", f"{ATTENTION}/key/kernel"),
            "h.0.attn.c_attn",
        ),
        "transposed": (transposed(f"{ATTENTION}/attention_output/kernel"), "h.0.attn.c_proj"),
        "no bias": (zeroed("transformer_layer_0/feedforward_output_dense/bias"), "h.0.mlp.c_proj"),
        "one bit": (flipped("token_embedding/embeddings"), "wte"),
    }
)


test_other_computations_are_found = TESTS.other_computations(
    [
        ({"layer_norm_epsilon": 1e-12}, "h.0.ln_1"),
        ({"activation_function": "gelu"}, "h.0"),
        ({"n_head": 2}, "h.0.attn"),
    ]
)


test_wrong_rules_are_found = TESTS.wrong_rules(
    [
        ([("in (heads size) ->", "(heads size) in ->")], "h.0.attn"),
        ([("in (heads size) ->", "in (size heads) ->")], "h.0.attn"),
        ([("[query/kernel, key/kernel", "[key/kernel, query/kernel")], "h.0.attn"),
    ]
)


test_what_keras_hub_lacks_is_refused = TESTS.refused(
    [
        (
            {"activation_function": "gelu"},
            "activation_function is 'gelu': the Keras model",
        ),
        ({"layer_norm_epsilon": 1e-6}, "layer_norm_epsilon is 1e-06"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True"),
        ({"n_head": 5}, "n_embd is 24, no multiple of n_head, 5"),
    ]
)
