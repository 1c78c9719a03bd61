"""BERT: Hugging Face's BertModel and keras-hub's BertBackbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from signbart_port.pairs import hf
from signbart_port.parity.pair import Case, Tap


class Bert(hf.HubPair):
    """BertModel and BertBackbone: the sequence output, and the pooled one as a module's."""

    mapping = "hf_bert.yaml"
    model = "BertModel"
    backbone = "BertBackbone"
    output = "sequence_output"
    arguments: ClassVar = {
        "vocab_size": ("vocabulary_size", 30522),
        "num_hidden_layers": ("num_layers", 12),
        "num_attention_heads": ("num_heads", 12),
        "hidden_size": ("hidden_dim", 768),
        "intermediate_size": ("intermediate_dim", 3072),
        "max_position_embeddings": ("max_sequence_length", 512),
        "type_vocab_size": ("num_segments", 2),
    }
    fixed: ClassVar = {
        "hidden_act": ("gelu", hf.TANH_GELU),
        "layer_norm_eps": (1e-12, (1e-12,)),
        "is_decoder": (False, (False,)),
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
