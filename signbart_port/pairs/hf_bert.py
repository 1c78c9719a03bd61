"""BERT: Hugging Face's BertModel and keras-hub's BertBackbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from signbart_port.pairs import hf, hf_keys
from signbart_port.parity.pair import Case, Tap


class Bert(hf.HubPair):
    """BertModel and BertBackbone: the sequence output, and the pooled one as a module's."""

    mapping = "hf_bert.yaml"
    model = "BertModel"
    backbone = "BertBackbone"
    output = "sequence_output"
    keys = hf_keys.BERT
    example: ClassVar = {
        "vocab_size": 31,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 40,
        "max_position_embeddings": 14,
        "hidden_act": "gelu_new",
    }
    others: ClassVar = {
        "num_hidden_layers": (1,),
        "type_vocab_size": (3,),
        "hidden_act": ("gelu_pytorch_tanh", "gelu", "relu"),
        "layer_norm_eps": (1e-5,),
        "is_decoder": (True,),
    }

    def cases(self, config: hf.Config, seed: int) -> Sequence[Case]:
        random = np.random.default_rng(seed)
        ids, mask = hf.tokens(random, config["vocab_size"], config["max_position_embeddings"])
        segments = random.integers(config["type_vocab_size"], size=ids.shape)
        torch = {"input_ids": ids, "attention_mask": mask, "token_type_ids": segments}
        keras = hf.as_int32(token_ids=ids, padding_mask=mask, segment_ids=segments)
        return [Case("two texts", torch, keras, {"time": mask.astype(bool)})]

    def taps(self, config: Any) -> Mapping[str, Tap]:
        text, whole = Tap("batch time channel", part=0), Tap(part=0)
        return {"pooler*": whole, "*.position_embeddings": whole, "*": text}
