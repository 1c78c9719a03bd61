"""MobileNetV2 of Hugging Face and of Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import signbart_port
from signbart_port.errors import PortError
from signbart_port.pairs.hf_mobilenet_v2 import MobileNetV2
from signbart_port.parity.config_keys import read_config
from signbart_port.parity.pair import mapping_path
from tests.support.any_pair import carried, comes_back, proven, proven_in_files
from tests.support.pair_faults import (
    Change,
    assert_blames,
    broken,
    flipped,
    other_module,
    swapped,
    with_rules,
    zeroed,
)

pytestmark = pytest.mark.release  # the stack of convolutions stands for it on a commit
PAIR = MobileNetV2()
SIZES = {"image_size": [45, 38], "depth_multiplier": 0.35}  # odd and even: padding differs
CONFIG = PAIR.read_config(SIZES, {})


@pytest.fixture(scope="module")
def models() -> tuple[Any, Any]:
    return carried(PAIR, CONFIG)


def test_both_compute_the_same(models: tuple[Any, Any]) -> None:
    report = proven(PAIR, CONFIG, *models)
    assert report.passed and report.same_structure, report.verdict()
    assert report.weights and report.weights.tensors == 52 * 5
    assert (len(report.rows), len(report.isolated), len(report.structure)) == (105, 90, 105)
    assert max(row.error / row.scale for row in report.structure) < 1e-14
    assert report.logits.elements == 2 * 1280 * 2 * 2
    assert comes_back(PAIR, CONFIG, *models)


def test_a_checkpoint_is_converted(models: tuple[Any, Any], tmp_path: Path) -> None:
    report = proven_in_files("hf-mobilenet-v2", CONFIG, models[0], tmp_path)
    assert report.passed and report.same_structure, report.verdict()


WRONG_WEIGHTS: dict[str, tuple[Change, str]] = {
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


@pytest.mark.parametrize("name", WRONG_WEIGHTS)
def test_wrong_weights_are_found(models: tuple[Any, Any], name: str) -> None:
    change, module = WRONG_WEIGHTS[name]
    with broken(models[1], change):
        assert_blames(proven(PAIR, CONFIG, *models), module, weights=False)


@pytest.mark.parametrize(
    ("changes", "module"),
    [
        ({"layer_norm_eps": 1e-5}, "conv_stem.first_conv.normalization"),
        ({"hidden_act": "relu"}, "conv_stem.conv_3x3.convolution"),
        ({"tf_padding": False}, "conv_stem.first_conv.convolution"),
    ],
)
def test_other_computations_are_found(
    models: tuple[Any, Any], changes: dict[str, Any], module: str
) -> None:
    other = other_module(PAIR, CONFIG, models[0], **changes)
    assert_blames(proven(PAIR, CONFIG, other, models[1]), module)


@pytest.mark.parametrize(
    ("changes", "module"),
    [
        # PyTorch pads before the convolution: those that Keras pads are not run alone.
        ([("1 y x -> y x", "1 y x -> x y")], "layer.0.conv_3x3.convolution"),
        (
            [("gamma", "*"), ("beta", "gamma"), ("*", "beta")],
            "conv_stem.first_conv.normalization",
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
        ({"tf_padding": False}, "tf_padding is False: the Keras model computes True only"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps is 1e-05"),
        ({"output_stride": 16}, "output_stride is 16"),
        ({"depth_multiplier": 0.25}, "depth_multiplier is 0.25: the first block"),
    ],
)
def test_what_keras_lacks_is_refused(stated: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_config(PAIR, stated, CONFIG)


def test_widths_that_are_rounded_otherwise_are_refused() -> None:
    config = {**CONFIG, "depth_multiplier": 0.36}  # 8.64 channels: 16 in PyTorch, 8 in Keras
    models = PAIR.torch_model(config), PAIR.keras_model(config)
    with pytest.raises(PortError, match="has another shape"):
        signbart_port.transfer_weights(*models, mapping=mapping_path(PAIR))
