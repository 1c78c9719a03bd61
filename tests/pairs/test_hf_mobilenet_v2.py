"""MobileNetV2 of Hugging Face and of Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import signbart_port
from signbart_port.errors import PortError
from signbart_port.pairs.hf_mobilenet_v2 import MobileNetV2
from signbart_port.parity.pair import mapping_path
from tests.support.any_pair import comes_back, proven
from tests.support.pair_faults import flipped, swapped, zeroed
from tests.support.pair_tests import PairTests

pytestmark = pytest.mark.release  # the stack of convolutions stands for it on a commit
PAIR = MobileNetV2()
SIZES = {"image_size": [45, 38], "depth_multiplier": 0.35}  # odd and even: padding differs
CONFIG = PAIR.read_config(SIZES, {})
TESTS = PairTests(PAIR, CONFIG)
models = TESTS.models()


def test_both_compute_the_same(models: tuple[Any, Any]) -> None:
    report = proven(PAIR, CONFIG, *models)
    assert report.passed and report.same_structure, report.verdict()
    assert report.weights and report.weights.tensors == 52 * 5
    assert (len(report.rows), len(report.isolated), len(report.structure)) == (105, 90, 105)
    assert max(row.error / row.scale for row in report.structure) < 1e-14
    assert report.logits.elements == 2 * 1280 * 2 * 2
    assert comes_back(PAIR, CONFIG, *models)


test_a_checkpoint_is_converted = TESTS.converted("hf-mobilenet-v2")


test_wrong_weights_are_found = TESTS.wrong_weights(
    {
        "swapped gain and bias": (
            swapped("block_3_expand_BN/gamma", "block_3_expand_BN/beta"),
            "layer.2.expand_1x1.normalization",
        ),
        "swapped mean and variance": (
            swapped("bn_Conv1/moving_mean", "bn_Conv1/moving_variance"),
            "conv_stem.first_conv.normalization",
        ),
        "turned filters": (
            lambda values: {
                "block_5_depthwise/kernel": np.swapaxes(values["block_5_depthwise/kernel"], 0, 1)
            },
            "layer.4.conv_3x3.convolution",
        ),
        "no bias": (zeroed("expanded_conv_project_BN/beta"), "conv_stem.reduce_1x1.normalization"),
        "one bit": (flipped("Conv_1/kernel"), "conv_1x1.convolution"),
    }
)


test_other_computations_are_found = TESTS.other_computations(
    [
        ({"layer_norm_eps": 1e-5}, "conv_stem.first_conv.normalization"),
        ({"hidden_act": "relu"}, "conv_stem.conv_3x3.convolution"),
        ({"tf_padding": False}, "conv_stem.first_conv.convolution"),
    ]
)


test_wrong_rules_are_found = TESTS.wrong_rules(
    [
        # PyTorch pads before the convolution: those that Keras pads are not run alone.
        ([("1 y x -> y x", "1 y x -> x y")], "layer.0.conv_3x3.convolution"),
        (
            [("gamma", "*"), ("beta", "gamma"), ("*", "beta")],
            "conv_stem.first_conv.normalization",
        ),
    ]
)


test_what_keras_lacks_is_refused = TESTS.refused(
    [
        ({"tf_padding": False}, "tf_padding is False: the Keras model computes True only"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps is 1e-05"),
        ({"output_stride": 16}, "output_stride is 16"),
        ({"depth_multiplier": 0.25}, "depth_multiplier is 0.25: the first block"),
    ]
)


def test_widths_that_are_rounded_otherwise_are_refused() -> None:
    config = {**CONFIG, "depth_multiplier": 0.36}  # 8.64 channels: 16 in PyTorch, 8 in Keras
    models = PAIR.torch_model(config), PAIR.keras_model(config)
    with pytest.raises(PortError, match="has another shape"):
        signbart_port.transfer_weights(*models, mapping=mapping_path(PAIR))
