"""BART: Hugging Face's BartModel and keras-hub's BartBackbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from signbart_port.pairs import hf, hf_keys
from signbart_port.parity.pair import Case, Tap


class Bart(hf.EncoderDecoderPair):
    """BartModel and BartBackbone: the decoder's output, and the encoder's as a module's."""

    mapping = "hf_bart.yaml"
    model = "BartModel"
    backbone = "BartBackbone"
    keys = hf_keys.BART
    example: ClassVar = {
        "vocab_size": 31,
        "d_model": 24,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 40,
        "decoder_ffn_dim": 40,
        "max_position_embeddings": 14,
    }
    others: ClassVar = {
        "encoder_layers": (1,),
        "decoder_layers": (1,),
        "decoder_attention_heads": (2,),
        "activation_function": ("gelu_new", "relu"),
        "scale_embedding": (True,),
        "tie_word_embeddings": (False,),
    }

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
        of_encoder = ("encoder", "encoder.*", "*.encoder_attn.[kv]_proj")
        return {
            **dict.fromkeys(of_encoder, memory),
            "decoder.embed_positions": Tap(part=0),
            "*": time,
        }
