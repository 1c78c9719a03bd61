"""GPT-2: Hugging Face's GPT2Model and keras-hub's GPT2Backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from signbart_port.pairs import hf
from signbart_port.parity.pair import Case, Tap


class GPT2(hf.HubPair):
    """GPT2Model and GPT2Backbone."""

    mapping = "hf_gpt2.yaml"
    model = "GPT2Model"
    backbone = "GPT2Backbone"
    arguments: ClassVar = {
        "vocab_size": ("vocabulary_size", 50257),
        "n_layer": ("num_layers", 12),
        "n_head": ("num_heads", 12),
        "n_embd": ("hidden_dim", 768),
        "n_inner": ("intermediate_dim", None),
        "n_positions": ("max_sequence_length", 1024),
    }
    fixed: ClassVar = {
        "activation_function": ("gelu_new", hf.TANH_GELU),
        "layer_norm_epsilon": (1e-5, (1e-5,)),
        "scale_attn_weights": (True, (True,)),
        "scale_attn_by_inverse_layer_idx": (False, (False,)),
        "reorder_and_upcast_attn": (False, (False,)),
        "add_cross_attention": (False, (False,)),
    }
    width = "n_embd"
    heads = "n_head"

    def hub_arguments(self, config: hf.Config) -> dict[str, Any]:
        inner = config["n_inner"] or 4 * config["n_embd"]
        return super().hub_arguments({**config, "n_inner": inner})

    def cases(self, config: hf.Config, seed: int) -> Sequence[Case]:
        random = np.random.default_rng(seed)
        ids, mask = hf.tokens(random, config["vocab_size"], config["n_positions"])
        torch = {"input_ids": ids, "attention_mask": mask}
        keras = hf.as_int32(token_ids=ids, padding_mask=mask)
        return [Case("two texts", torch, keras, {"time": mask.astype(bool)})]

    def taps(self, config: Any) -> Mapping[str, Tap]:
        return {"wpe": Tap(part=0), "*": Tap("batch time channel", part=0)}
