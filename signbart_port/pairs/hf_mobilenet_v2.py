"""MobileNetV2: Hugging Face's MobileNetV2Model and `keras.applications.MobileNetV2`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from signbart_port.pairs import hf, hf_keys
from signbart_port.parity.pair import Case, Tap
from signbart_port.parity.taps import LOGITS


class MobileNetV2(hf.HuggingFacePair):
    """Both without a head: the last map of features."""

    mapping = "hf_mobilenet_v2.yaml"
    model = "MobileNetV2Model"
    backbone = "MobileNetV2"
    keys = hf_keys.MOBILENET_V2
    example: ClassVar = {"image_size": (45, 38), "depth_multiplier": 0.5}
    others: ClassVar = {"depth_multiplier": (0.35, 0.75, 1.0, 0.25), "hidden_act": ("relu",)}

    def read_config(self, stated: hf.Config, stored: hf.Config) -> hf.Config:
        config: hf.Config = super().read_config(stated, stored)
        if 0.9 * 32 * config["depth_multiplier"] <= 8:  # Keras rounds 32 and 16 channels to 8
            what = (
                f"depth_multiplier is {config['depth_multiplier']}: the first block has its input"
            )
            raise ValueError(f"{what} added in Keras' MobileNetV2, and not in Hugging Face's")
        return config

    def torch_model(self, config: hf.Config) -> Any:
        from transformers import MobileNetV2Model

        return MobileNetV2Model(self.torch_config(config), add_pooling_layer=False)

    def keras_arguments(self, config: hf.Config) -> dict[str, Any]:
        options = {"include_top": False, "weights": None, "input_shape": hf.image_shape(config)}
        return super().keras_arguments(config) | options

    def keras_model(self, config: hf.Config) -> Any:
        from keras.applications import MobileNetV2

        return MobileNetV2(**self.keras_arguments(config))

    def cases(self, config: hf.Config, seed: int) -> Sequence[Case]:
        made = hf.images(np.random.default_rng(seed), config)
        channels_first, images = (5 * array for array in made)  # so large that ReLU6 clips
        return [Case("two images", {"pixel_values": channels_first}, {"images": images})]

    def taps(self, config: Any) -> Mapping[str, Tap]:
        return {LOGITS: Tap("batch channel y x", "batch y x channel")}
