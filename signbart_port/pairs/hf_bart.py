"""BART: Hugging Face's BartModel and keras-hub's BartBackbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from signbart_port.pairs import hf
from signbart_port.parity.pair import Case, Tap


class Bart(hf.HubPair):
    """BartModel and BartBackbone: the decoder's output, and the encoder's as a module's."""

    mapping = "hf_bart.yaml"
    model = "BartModel"
    backbone = "BartBackbone"
    output = "decoder_sequence_output"
    arguments: ClassVar = {
        "vocab_size": ("vocabulary_size", 50265),
        "encoder_layers": ("num_layers", 12),
        "encoder_attention_heads": ("num_heads", 16),
        "d_model": ("hidden_dim", 1024),
        "encoder_ffn_dim": ("intermediate_dim", 4096),
        "max_position_embeddings": ("max_sequence_length", 1024),
    }
    fixed: ClassVar = {
        "activation_function": ("gelu", ("gelu",)),
        "scale_embedding": (False, (False, None)),
    }
    width = "d_model"
    heads = "encoder_attention_heads"

    def read_config(self, stated: hf.Config, stored: hf.Config) -> hf.Config:
        config = dict(super().read_config(stated, stored))
        for encoder in ("encoder_layers", "encoder_attention_heads", "encoder_ffn_dim"):
            decoder = encoder.replace("encoder", "decoder")
            if config.setdefault(decoder, self.arguments[encoder][1]) != config[encoder]:
                what = f"{decoder} is {config[decoder]}, {encoder} {config[encoder]}"
                raise ValueError(f"{what}: keras-hub's {self.backbone} has one size for both")
        return config

    def cases(self, config: hf.Config, seed: int) -> Sequence[Case]:
        random, most = np.random.default_rng(seed), config["max_position_embeddings"]
        ids, mask = hf.tokens(random, config["vocab_size"], most)
        written, counted = hf.tokens(random, config["vocab_size"], most, length=9)
        torch = {"input_ids": ids, "attention_mask": mask}
        torch |= {"decoder_input_ids": written, "decoder_attention_mask": counted}
        keras = hf.as_int32(encoder_token_ids=ids, encoder_padding_mask=mask)
        keras |= hf.as_int32(decoder_token_ids=written, decoder_padding_mask=counted)
        positions = {"memory": mask.astype(bool), "time": counted.astype(bool)}
        return [Case("two texts", torch, keras, positions)]

    def taps(self, config: Any) -> Mapping[str, Tap]:
        memory = Tap("batch memory channel", part=0)
        time = Tap("batch time channel", part=0)
        of_encoder = dict.fromkeys(("encoder.*", "*.encoder_attn.[kv]_proj"), memory)
        return {**of_encoder, "decoder.embed_positions": Tap(part=0), "*": time}
