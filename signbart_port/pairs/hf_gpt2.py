"""GPT-2: Hugging Face's GPT2Model and keras-hub's GPT2Backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from signbart_port.pairs import hf, hf_keys
from signbart_port.parity.pair import Case, Tap


def inner_width(config: hf.Config) -> Any:
    """Return the width within the feed-forward layers, which a config may leave open."""
    return config["n_inner"] or 4 * config["n_embd"]


class GPT2(hf.HubPair):
    """GPT2Model and GPT2Backbone."""

    mapping = "hf_gpt2.yaml"
    model = "GPT2Model"
    backbone = "GPT2Backbone"
    keys = hf_keys.GPT2
    derived: ClassVar = {"intermediate_dim": inner_width}
    width = "n_embd"
    heads = "n_head"
    example: ClassVar = {
        "vocab_size": 31,
        "n_embd": 24,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 14,
    }
    others: ClassVar = {
        "n_layer": (1,),
        "n_inner": (40,),
        "activation_function": ("gelu_pytorch_tanh", "gelu", "relu"),
        "layer_norm_epsilon": (1e-6,),
        "scale_attn_weights": (False,),
        "scale_attn_by_inverse_layer_idx": (True,),
        "reorder_and_upcast_attn": (True,),
    }

    def cases(self, config: hf.Config, seed: int) -> Sequence[Case]:
        random = np.random.default_rng(seed)
        ids, mask = hf.tokens(random, config["vocab_size"], config["n_positions"])
        torch = {"input_ids": ids, "attention_mask": mask}
        keras = hf.as_int32(token_ids=ids, padding_mask=mask)
        return [Case("two texts", torch, keras, {"time": mask.astype(bool)})]

    def taps(self, config: Any) -> Mapping[str, Tap]:
        return {"wpe": Tap(part=0), "*": Tap("batch time channel", part=0)}
