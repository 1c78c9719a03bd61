"""Whisper: Hugging Face's WhisperModel and keras-hub's WhisperBackbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from signbart_port.pairs import hf, hf_keys
from signbart_port.parity.pair import Case, Tap


def frames(config: hf.Config) -> Any:
    """Return the length of a sound."""
    # Hugging Face counts the positions after the convolution that halves their number.
    return 2 * config["max_source_positions"]


class Whisper(hf.EncoderDecoderPair):
    """WhisperModel and WhisperBackbone: the decoder's output, and the encoder's as a module's."""

    mapping = "hf_whisper.yaml"
    model = "WhisperModel"
    backbone = "WhisperBackbone"
    keys = hf_keys.WHISPER
    derived: ClassVar = {"max_encoder_sequence_length": frames}
    example: ClassVar = {
        "vocab_size": 31,
        "pad_token_id": 0,
        "num_mel_bins": 5,
        "d_model": 24,
        **dict.fromkeys(("encoder_layers", "decoder_layers"), 2),
        **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
        **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 40),
        "max_source_positions": 9,
        "max_target_positions": 14,
    }
    others: ClassVar = {
        "encoder_layers": (1,),
        "decoder_layers": (1,),
        "activation_function": ("gelu_new", "relu"),
        "scale_embedding": (True,),
    }

    def cases(self, config: hf.Config, seed: int) -> Sequence[Case]:
        random = np.random.default_rng(seed)
        shape = 2, frames(config), config["num_mel_bins"]  # the only length it takes
        sound = random.standard_normal(shape).astype(np.float32)
        channels_first = np.ascontiguousarray(sound.transpose(0, 2, 1))
        ids, mask = hf.tokens(random, config["vocab_size"], config["max_target_positions"])
        torch: dict[str, Any] = {"input_features": channels_first}
        torch |= {"decoder_input_ids": ids, "decoder_attention_mask": mask}
        keras: dict[str, Any] = {"encoder_features": sound}
        keras |= hf.as_int32(decoder_token_ids=ids, decoder_padding_mask=mask)
        counted = {"time": mask.astype(bool)}
        return [Case("two sounds", torch, keras, counted)]

    def taps(self, config: Any) -> Mapping[str, Tap]:
        whole = ("encoder*", "*.encoder_attn.[kv]_proj", "decoder.embed_positions")
        return {**dict.fromkeys(whole, Tap(part=0)), "*": Tap("batch time channel", part=0)}
