"""BART of Hugging Face and of keras-hub."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import signbart_port
from signbart_port.pairs.hf_bart import Bart
from signbart_port.parity.pair import mapping_path
from tests.support.any_pair import proven
from tests.support.pair_faults import (
    assert_blames,
    flipped,
    other_module,
    swapped,
    transposed,
    zeroed,
)
from tests.support.pair_tests import PairTests

pytestmark = pytest.mark.release  # BERT stands for them on a commit
PAIR = Bart()
CONFIG = PAIR.read_config(PAIR.example, {})
TABLES = [f"{side}.embed_positions.weight" for side in ("encoder", "decoder")]
CROSS = "transformer_decoder_layer_0/cross_attention"
TESTS = PairTests(PAIR, CONFIG)
models = TESTS.models()


def test_both_compute_the_same(models: tuple[Any, Any]) -> None:
    report = proven(PAIR, CONFIG, *models)
    assert report.passed and report.same_structure, report.verdict()
    assert report.weights and report.weights.tensors == 7 + 2 * (16 + 26)
    assert (len(report.rows), len(report.isolated), len(report.structure)) == (57, 44, 57)
    elements = {row.tap: row.elements for row in report.rows}
    assert elements["logits"] == (9 + 6) * 24  # without what is padding
    assert elements["decoder.layers.0.encoder_attn.k_proj"] == (12 + 8) * 24
    (lost,) = [note for note in report.cautions if "do not come back" in note]
    assert lost.startswith(f"{', '.join(TABLES)}: 96 of {2 * 16 * 24:,} values")


def test_all_comes_back_but_rows_that_no_position_uses(models: tuple[Any, Any]) -> None:
    other = PAIR.torch_model(CONFIG)
    transferred = signbart_port.transfer_weights(models[1], other, mapping=mapping_path(PAIR))
    state, expected = other.state_dict(), models[0].state_dict()
    assert transferred.tensors == len(state)
    for name in TABLES:
        assert not state[name][:2].any()
        state[name][:2] = expected[name][:2]
    assert all(torch.equal(value, state[name]) for name, value in expected.items())


test_a_checkpoint_is_converted = TESTS.converted("hf-bart")


test_wrong_weights_are_found = TESTS.wrong_weights(
    {
        "swapped gains": (
            swapped(
                "transformer_encoder_layer_0/self_attention_layer_norm/gamma",
                "transformer_encoder_layer_0/feedforward_layer_norm/gamma",
            ),
            "encoder.layers.0.self_attn_layer_norm",
        ),
        "swapped query and key": (
            swapped(f"{CROSS}/query/kernel", f"{CROSS}/key/kernel"),
            "decoder.layers.0.encoder_attn.q_proj",
        ),
        "transposed": (
            transposed(f"{CROSS}/attention_output/kernel"),
            "decoder.layers.0.encoder_attn.out_proj",
        ),
        "no bias": (
            zeroed("transformer_decoder_layer_1/feedforward_output_dense/bias"),
            "decoder.layers.1.fc2",
        ),
        "one bit": (flipped("decoder_position_embedding/embeddings"), "decoder.embed_positions"),
    }
)


test_other_computations_are_found = TESTS.other_computations(
    [
        ({"activation_function": "gelu_new"}, "encoder.layers.0"),
        ({"encoder_attention_heads": 2}, "encoder.layers.0.self_attn"),
        ({"decoder_attention_heads": 2}, "decoder.layers.0.self_attn"),
    ]
)


def test_another_epsilon_is_found(models: tuple[Any, Any]) -> None:
    other = other_module(PAIR, CONFIG, models[0])
    other.decoder.layers[1].encoder_attn_layer_norm.eps = 1e-12
    report = proven(PAIR, CONFIG, other, models[1])
    assert_blames(report, "decoder.layers.1.encoder_attn_layer_norm")


test_wrong_rules_are_found = TESTS.wrong_rules(
    [
        ([("[2, 0]", "[0, 2]")], "encoder.embed_positions"),
        ([("q_proj", "*"), ("k_proj", "q_proj"), ("*", "k_proj")], "encoder.layers.0.self_attn"),
    ],
    whole=False,
)


test_what_keras_hub_lacks_is_refused = TESTS.refused(
    [
        ({"activation_function": "gelu_new"}, "activation_function is 'gelu_new': the Keras"),
        ({"scale_embedding": True}, "scale_embedding is True"),
        ({"decoder_layers": 3}, "decoder_layers is 3, encoder_layers 2: the Keras model"),
        (
            {"encoder_attention_heads": 5, "decoder_attention_heads": 5},
            "d_model is 24, no multiple of encoder_attention_heads, 5",
        ),
    ]
)
