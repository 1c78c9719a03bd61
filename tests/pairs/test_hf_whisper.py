"""Whisper of Hugging Face and of keras-hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from signbart_port.pairs.hf_whisper import Whisper
from signbart_port.parity.config_keys import read_config
from tests.support.any_pair import carried, comes_back, proven, proven_in_files
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


@pytest.fixture(scope="module")
def models() -> tuple[Any, Any]:
    return carried(PAIR, CONFIG)


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


def test_a_checkpoint_is_converted(models: tuple[Any, Any], tmp_path: Path) -> None:
    report = proven_in_files("hf-whisper", CONFIG, models[0], tmp_path)
    assert report.passed and report.same_structure, report.verdict()


WRONG_WEIGHTS: dict[str, tuple[Change, str]] = {
    "swapped gains": (
        swapped(
            f"{ENCODER}/self_attention_layer_norm/gamma", f"{ENCODER}/feedforward_layer_norm/gamma"
        ),
        "encoder.layers.0.self_attn_layer_norm",
    ),
    "swapped query and key": (
        swapped(f"{DECODER}/cross_attention/query/kernel", f"{DECODER}/cross_attention/key/kernel"),
        "decoder.layers.1.encoder_attn.q_proj",
    ),
    "transposed": (
        transposed(f"{DECODER}/self_attention/attention_output/kernel"),
        "decoder.layers.1.self_attn.out_proj",
    ),
    "no bias": (zeroed("encoder_token_embedding_conv_layer_2/bias"), "encoder.conv2"),
    "one bit": (flipped("encoder_position_embedding/embeddings"), "encoder.embed_positions"),
}


@pytest.mark.parametrize("name", WRONG_WEIGHTS)
def test_wrong_weights_are_found(models: tuple[Any, Any], name: str) -> None:
    change, module = WRONG_WEIGHTS[name]
    with broken(models[1], change):
        assert_blames(proven(PAIR, CONFIG, *models), module, weights=False)


@pytest.mark.parametrize(
    ("changes", "module"),
    [
        ({"activation_function": "gelu_new"}, "encoder.layers.0"),
        ({"encoder_attention_heads": 2}, "encoder.layers.0.self_attn"),
        ({"decoder_attention_heads": 2}, "decoder.layers.0.self_attn"),
    ],
)
def test_other_computations_are_found(
    models: tuple[Any, Any], changes: dict[str, Any], module: str
) -> None:
    other = other_module(PAIR, CONFIG, models[0], **changes)
    assert_blames(proven(PAIR, CONFIG, other, models[1]), module)


def test_another_epsilon_is_found(models: tuple[Any, Any]) -> None:
    other = other_module(PAIR, CONFIG, models[0])
    other.decoder.layers[1].encoder_attn_layer_norm.eps = 1e-12
    report = proven(PAIR, CONFIG, other, models[1])
    assert_blames(report, "decoder.layers.1.encoder_attn_layer_norm")


@pytest.mark.parametrize(
    ("changes", "module"),
    [
        ([("step in out", "step out in")], "encoder.conv1"),
        ([("(heads size) in", "in (heads size)")], "encoder.layers.0.self_attn.q_proj"),
        (
            [("q_proj.weight", "*"), ("k_proj", "q_proj"), ("*", "k_proj.weight")],
            "encoder.layers.0.self_attn",
        ),
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
        ({"activation_function": "gelu_new"}, "activation_function is 'gelu_new': the Keras"),
        ({"decoder_layers": 3}, "decoder_layers is 3, encoder_layers 2: the Keras model has"),
        (
            {"encoder_attention_heads": 5, "decoder_attention_heads": 5},
            "d_model is 24, no multiple of encoder_attention_heads, 5",
        ),
    ],
)
def test_what_keras_hub_lacks_is_refused(stated: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_config(PAIR, stated, CONFIG)
