"""ViT: Hugging Face's ViTModel and keras-hub's ViTBackbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from signbart_port.pairs import hf, hf_keys
from signbart_port.parity.pair import Case, Signature


class ViT(hf.HubPair):
    """ViTModel without its pooler, which keras-hub lacks, and ViTBackbone."""

    mapping = "hf_vit.yaml"
    model = "ViTModel"
    backbone = "ViTBackbone"
    attention = "sdpa"  # the eager one has its softmax in float32, whatever the model's precision
    keys = hf_keys.VIT
    derived: ClassVar = {"image_shape": hf.image_shape, "data_format": "channels_last"}
    example: ClassVar = {
        "image_size": 12,
        "patch_size": 4,
        "num_channels": 2,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 40,
    }
    others: ClassVar = {
        "num_hidden_layers": (1,),
        "layer_norm_eps": (1e-5,),
        "hidden_act": ("gelu_new", "relu"),
        "qkv_bias": (False,),
    }

    def torch_model(self, config: hf.Config) -> Any:
        from transformers import ViTModel

        return ViTModel(self.torch_config(config), add_pooling_layer=False)

    def cases(self, config: hf.Config, seed: int) -> Sequence[Case]:
        channels_first, images = hf.images(np.random.default_rng(seed), config)
        return [Case("two images", {"pixel_values": channels_first}, {"images": images})]

    def tflite(self, config: hf.Config) -> Sequence[Signature]:
        """Return the signature of one image, with others to calibrate on."""
        images = [case for seed in range(1, 51) for case in self.cases(config, seed)]
        return [Signature.of(images[0], images)]

    def call_keras(self, model: Any, inputs: Mapping[str, Any]) -> Any:
        return model(inputs["images"], training=False)
