"""ViT: Hugging Face's ViTModel and keras-hub's ViTBackbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from signbart_port.pairs import hf
from signbart_port.parity.pair import Case


class ViT(hf.HubPair):
    """ViTModel without its pooler, which keras-hub lacks, and ViTBackbone."""

    mapping = "hf_vit.yaml"
    model = "ViTModel"
    backbone = "ViTBackbone"
    arguments: ClassVar = {
        "patch_size": ("patch_size", 16),
        "num_hidden_layers": ("num_layers", 12),
        "num_attention_heads": ("num_heads", 12),
        "hidden_size": ("hidden_dim", 768),
        "intermediate_size": ("mlp_dim", 3072),
        "layer_norm_eps": ("layer_norm_epsilon", 1e-12),
    }
    fixed: ClassVar = {"hidden_act": ("gelu", ("gelu",)), "qkv_bias": (True, (True,))}

    def read_config(self, stated: hf.Config, stored: hf.Config) -> hf.Config:
        return super().read_config(stated, {"image_size": 224, "num_channels": 3, **stored})

    def hub_arguments(self, config: hf.Config) -> dict[str, Any]:
        image = {"image_shape": _image(config), "data_format": "channels_last"}
        return super().hub_arguments(config) | image

    def torch_model(self, config: hf.Config) -> Any:
        from transformers import ViTConfig, ViTModel

        # Eager attention has its softmax in float32, whatever the precision of the model.
        built = ViTConfig(**{**config, "attn_implementation": "sdpa"})
        return ViTModel(built, add_pooling_layer=False)

    def cases(self, config: hf.Config, seed: int) -> Sequence[Case]:
        shape = (2, *_image(config))
        images = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
        channels_first = np.ascontiguousarray(np.moveaxis(images, -1, 1))
        return [Case("two images", {"pixel_values": channels_first}, {"images": images})]

    def call_keras(self, model: Any, inputs: Mapping[str, Any]) -> Any:
        return model(inputs["images"], training=False)


def _image(config: hf.Config) -> tuple[int, int, int]:
    """Return the shape of an image: height, width, channels."""
    size = config["image_size"]
    height, width = (size, size) if isinstance(size, int) else size
    return height, width, config["num_channels"]
