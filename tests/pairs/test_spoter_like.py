"""The classifier after the idea of SPOTER, in PyTorch and in Keras."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from signbart_port.pairs.spoter_like import SpoterLike
from signbart_port.parity.taps import LOGITS
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

PAIR = SpoterLike()
SIZES = {"width": 16, "heads": 4, "inner": 24, "layers": 2, "frames": 14, "labels": 5}
CONFIG = PAIR.read_config(SIZES, {})
ENCODER, DECODER = "transformer.encoder.layers.0", "transformer.decoder.layers.0"
TESTS = PairTests(PAIR, CONFIG)
models = TESTS.models()


def test_both_compute_the_same(models: tuple[Any, Any]) -> None:
    report = proven(PAIR, CONFIG, *models)
    assert report.passed and report.same_structure, report.verdict()
    assert report.weights and report.weights.tensors == 8 + 2 * (16 + 26)
    assert (len(report.rows), len(report.isolated), len(report.structure)) == (32, 21, 32)
    assert max(row.error / row.scale for row in report.structure) < 1e-14
    elements = {row.tap: row.elements for row in report.rows}
    assert elements[f"{ENCODER}.self_attn"] == (12 + 8) * 16  # without what is padding
    assert elements[f"{DECODER}.multihead_attn"] == 2 * 16
    assert comes_back(PAIR, CONFIG, *models)


test_a_checkpoint_is_converted = pytest.mark.release(TESTS.converted("spoter-like"))


test_wrong_weights_are_found = pytest.mark.on_commit("one bit")(
    TESTS.wrong_weights(
        {
            "swapped gains": (
                swapped(
                    "decoder_0/self_attention_layer_norm/gamma",
                    "decoder_0/cross_attention_layer_norm/gamma",
                ),
                f"{DECODER}.norm1",
            ),
            "swapped query and key": (
                swapped(
                    "decoder_0/cross_attention/query/kernel", "decoder_0/cross_attention/key/kernel"
                ),
                f"{DECODER}.multihead_attn",
            ),
            # One query attends to itself: its queries and keys change no number.
            "swapped where it does not show": (
                swapped(
                    "decoder_0/self_attention/query/kernel", "decoder_0/self_attention/key/kernel"
                ),
                f"{DECODER}.self_attn",
            ),
            "transposed": (
                transposed("encoder_0/self_attention_layer/attention_output/kernel"),
                f"{ENCODER}.self_attn.out_proj",
            ),
            "no bias": (zeroed("decoder_0/feedforward_output_dense/bias"), f"{DECODER}.linear2"),
            "one bit": (flipped("query/vector"), LOGITS),  # of the model itself
        }
    )
)


@pytest.mark.release
def test_other_heads_are_found(models: tuple[Any, Any]) -> None:
    other = other_module(PAIR, CONFIG, models[0], heads=2)
    assert_blames(proven(PAIR, CONFIG, other, models[1]), f"{ENCODER}.self_attn")


@pytest.mark.release
def test_another_epsilon_is_found(models: tuple[Any, Any]) -> None:
    other = other_module(PAIR, CONFIG, models[0])
    other.transformer.decoder.norm.eps = 1e-6
    assert_blames(proven(PAIR, CONFIG, other, models[1]), "transformer.decoder.norm")


@pytest.mark.release
def test_positions_that_begin_later_are_found(models: tuple[Any, Any]) -> None:
    class Later(type(models[0])):  # type: ignore[misc]
        def forward(self, poses: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            later = self.positions[1 : 1 + poses.shape[1]] - self.positions[: poses.shape[1]]
            return super().forward(poses + later, mask)

    other = other_module(PAIR, CONFIG, models[0])
    other.__class__ = Later
    assert_blames(proven(PAIR, CONFIG, other, models[1]), f"{ENCODER}.self_attn")


@pytest.mark.release
def test_a_query_that_reads_padding_is_found(models: tuple[Any, Any]) -> None:
    class Unmasked(torch.nn.Transformer):
        def forward(self, *arguments: Any, **named: Any) -> torch.Tensor:
            return super().forward(*arguments, **{**named, "memory_key_padding_mask": None})

    other = other_module(PAIR, CONFIG, models[0])
    other.transformer.__class__ = Unmasked
    assert_blames(proven(PAIR, CONFIG, other, models[1]), f"{DECODER}.multihead_attn")


test_wrong_rules_are_found = pytest.mark.release(
    TESTS.wrong_rules(
        [
            ([("(heads width) in", "(width heads) in")], f"{ENCODER}.self_attn"),
            (
                [("query/k", "*"), ("key/k", "query/k"), ("*", "key/k")],
                f"{ENCODER}.self_attn",
            ),
            (
                [
                    ("/cross_attention_layer_norm", "*"),
                    (
                        "decoder_{layer}/feedforward_layer_norm",
                        "decoder_{layer}/cross_attention_layer_norm",
                    ),
                    ("*", "/feedforward_layer_norm"),
                ],
                DECODER,
            ),
        ]
    )
)


test_a_config_without_sizes_is_refused = TESTS.refused(
    [
        ({"labels": None, "inner": "8"}, "the config has no number for inner, labels"),
        ({"heads": 3}, "width is 16, no multiple of heads, 3"),
        ({"heads": 0}, "width is 16, no multiple of heads, 0"),
    ]
)


def test_the_signature_has_the_inputs_of_the_cases() -> None:
    (signature,) = PAIR.tflite(CONFIG)
    (case,) = PAIR.cases(CONFIG, seed=0)
    assert set(signature.inputs) == set(case.keras)
    for name, array in case.keras.items():
        assert array.dtype == signature.dtypes.get(name, "float32")
        free = zip(signature.inputs[name][1:], array.shape[1:], strict=True)
        assert all(size in (None, own) for size, own in free)
