"""Whisper of Hugging Face and of keras-hub."""

from __future__ import annotations

from typing import Any

import pytest

from signbart_port.pairs.hf_whisper import Whisper
from tests.support.any_pair import comes_back, proven
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
PAIR = Whisper()
CONFIG = PAIR.read_config(
    {
        "vocab_size": 31,
        "num_mel_bins": 24,  # as wide as the model: no shape tells a missed transpose
        "d_model": 24,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 40,
        "decoder_ffn_dim": 40,
        "max_source_positions": 9,
        "max_target_positions": 14,
        "pad_token_id": 0,
    },
    {},
)
ENCODER, DECODER = "transformer_encoder_layer_0", "transformer_decoder_layer_1"
TESTS = PairTests(PAIR, CONFIG)
models = TESTS.models()


def test_both_compute_the_same(models: tuple[Any, Any]) -> None:
    report = proven(PAIR, CONFIG, *models)
    assert report.passed and report.same_structure, report.verdict()
    assert report.weights and report.weights.tensors == 11 + 2 * (15 + 24)
    assert (len(report.rows), len(report.isolated), len(report.structure)) == (59, 46, 59)
    elements = {row.tap: row.elements for row in report.rows}
    assert elements["logits"] == (12 + 8) * 24  # without what is padding
    assert elements["encoder.conv1"] == 2 * 18 * 24
    assert elements["decoder.layers.0.encoder_attn.k_proj"] == 2 * 9 * 24
    assert comes_back(PAIR, CONFIG, *models)


test_a_checkpoint_is_converted = TESTS.converted("hf-whisper")


test_wrong_weights_are_found = TESTS.wrong_weights(
    {
        "swapped gains": (
            swapped(
                f"{ENCODER}/self_attention_layer_norm/gamma",
                f"{ENCODER}/feedforward_layer_norm/gamma",
            ),
            "encoder.layers.0.self_attn_layer_norm",
        ),
        "swapped query and key": (
            swapped(
                f"{DECODER}/cross_attention/query/kernel", f"{DECODER}/cross_attention/key/kernel"
            ),
            "decoder.layers.1.encoder_attn.q_proj",
        ),
        "transposed": (
            transposed(f"{DECODER}/self_attention/attention_output/kernel"),
            "decoder.layers.1.self_attn.out_proj",
        ),
        "no bias": (zeroed("encoder_token_embedding_conv_layer_2/bias"), "encoder.conv2"),
        "one bit": (flipped("encoder_position_embedding/embeddings"), "encoder.embed_positions"),
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
        ([("step in out", "step out in")], "encoder.conv1"),
        ([("(heads size) in", "in (heads size)")], "encoder.layers.0.self_attn.q_proj"),
        (
            [("q_proj.weight", "*"), ("k_proj", "q_proj"), ("*", "k_proj.weight")],
            "encoder.layers.0.self_attn",
        ),
    ]
)


test_what_keras_hub_lacks_is_refused = TESTS.refused(
    [
        ({"activation_function": "gelu_new"}, "activation_function is 'gelu_new': the Keras"),
        ({"decoder_layers": 3}, "decoder_layers is 3, encoder_layers 2: the Keras model has"),
        (
            {"encoder_attention_heads": 5, "decoder_attention_heads": 5},
            "d_model is 24, no multiple of encoder_attention_heads, 5",
        ),
    ]
)
