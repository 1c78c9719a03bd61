"""The families of models whose converters are held under the proof, and their configs.

Four have a pair that is installed with this program. Mistral and Llama have one here: their mapping
is `converters_llama.yaml`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from signbart_port.pairs import hf
from signbart_port.pairs.hf_bart import Bart
from signbart_port.pairs.hf_bert import Bert
from signbart_port.pairs.hf_gpt2 import GPT2
from signbart_port.pairs.hf_keys import OF_ALL
from signbart_port.pairs.hf_vit import ViT
from signbart_port.parity.config_keys import Key, Mapped, Required, completed
from signbart_port.parity.pair import Case, Tap

Config = Mapping[str, Any]
SMALL_TEXT = {"vocab_size": 31, "hidden_size": 24, "num_hidden_layers": 2}


class Mistral(hf.HubPair):
    """MistralModel and MistralBackbone."""

    mapping = Path(__file__).with_name("converters_llama.yaml")
    model = "MistralModel"
    backbone = "MistralBackbone"
    keys: ClassVar[Mapping[str, Key]] = {
        **OF_ALL,
        "vocab_size": Mapped(32000, to="vocabulary_size"),
        "num_hidden_layers": Mapped(32, to="num_layers"),
        "num_attention_heads": Mapped(32, to="num_query_heads"),
        "num_key_value_heads": Mapped(8, to="num_key_value_heads"),
        "hidden_size": Mapped(4096, to="hidden_dim"),
        "intermediate_size": Mapped(14336, to="intermediate_dim"),
        "rms_norm_eps": Mapped(1e-6, to="layer_norm_epsilon"),
        "sliding_window": Mapped(4096, to="sliding_window"),
        "rope_parameters": Mapped(None),
        "hidden_act": Required(("silu",)),
    }
    rope: ClassVar[float] = 10000.0
    """The base of the rotary positions that the model has by default."""

    def keras_arguments(self, config: hf.Config) -> dict[str, Any]:
        rope = (config.get("rope_parameters") or {}).get("rope_theta", self.rope)
        return super().keras_arguments(config) | {"rope_max_wavelength": rope}

    def cases(self, config: hf.Config, seed: int) -> Sequence[Case]:
        ids, mask = hf.tokens(np.random.default_rng(seed), config["vocab_size"], longest=12)
        torch = {"input_ids": ids, "attention_mask": mask}
        keras = hf.as_int32(token_ids=ids, padding_mask=mask)
        return [Case("two texts", torch, keras, {"time": mask.astype(bool)})]

    def taps(self, config: Any) -> Mapping[str, Tap]:
        return {"*": Tap("batch time channel", part=0)}


class Llama(Mistral):
    """LlamaModel and Llama3Backbone."""

    model = "LlamaModel"
    backbone = "Llama3Backbone"
    keys: ClassVar[Mapping[str, Key]] = {
        **{name: key for name, key in Mistral.keys.items() if name != "sliding_window"},
        "attention_bias": Required((False,)),
    }

    def keras_arguments(self, config: hf.Config) -> dict[str, Any]:
        given = super().keras_arguments(config)
        rope = config.get("rope_parameters") or {}
        if rope.get("rope_type") == "llama3":
            given |= {
                "rope_frequency_adjustment_factor": rope["factor"],
                "rope_low_freq_factor": rope["low_freq_factor"],
                "rope_high_freq_factor": rope["high_freq_factor"],
                "rope_pretraining_sequence_length": rope["original_max_position_embeddings"],
            }
        return given


@dataclass(frozen=True)
class Family:
    """Models of one architecture, as Hugging Face saves them and as others convert them."""

    name: str
    pair: hf.HubPair
    saved: str
    """The class of Hugging Face that is saved: what keras-hub's converter looks for."""
    config: Config
    variations: Mapping[str, Config]
    """Changes of the config, by what they are called."""
    base: str = ""
    """Where the pair's model is in what is saved."""
    zeromodels: str = ""
    """ZeroModels' class, as `module:Class`; empty: it has no converter of the family."""
    ignored: frozenset[str] = frozenset()
    """The inputs of the case that ZeroModels' class does not take."""
    mistakes: Mapping[str, Config] = field(default_factory=dict)
    """Further configs that a converter may have confused with the right one."""
    published: Callable[[dict[str, Any]], dict[str, Any]] = dict
    """Makes the config.json that published folders have of the one that Transformers 5 saves."""
    as_saved: Mapping[str, Config] = field(default_factory=dict)
    """Further changes of the config, with the config.json as it is saved."""

    def whole(self, changes: Config) -> dict[str, Any]:
        """Return a config, of what the pair knows, unchecked."""
        return completed(self.pair.keys, {**self.config, **changes})


LLAMA = {**SMALL_TEXT, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 40}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8,
}
ROPE_1E6 = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}


def rope_of_version_4(saved: dict[str, Any]) -> dict[str, Any]:
    """Return a config.json with rotary positions as Transformers wrote them before version 5."""
    older = dict(saved)
    rope = dict(older.pop("rope_parameters"))
    older["rope_theta"] = rope.pop("rope_theta")
    older["rope_scaling"] = rope if rope["rope_type"] != "default" else None
    return older


FAMILIES = (
    Family(
        "BERT",
        Bert(),
        "BertModel",
        {
            **SMALL_TEXT,
            "num_attention_heads": 4,
            "intermediate_size": 40,
            "max_position_embeddings": 14,
        },
        {
            "the default config": {},
            "hidden_act=gelu_new": {"hidden_act": "gelu_new"},
            "hidden_act=relu": {"hidden_act": "relu"},
            "layer_norm_eps=1e-5": {"layer_norm_eps": 1e-5},
            "type_vocab_size=3": {"type_vocab_size": 3},
        },
        zeromodels="zeromodels.models.bert:BertModel",
    ),
    Family(
        "GPT-2",
        GPT2(),
        "GPT2Model",
        {"vocab_size": 31, "n_embd": 24, "n_layer": 2, "n_head": 4, "n_positions": 14},
        {
            "the default config": {},
            "activation_function=relu": {"activation_function": "relu"},
            "layer_norm_epsilon=1e-6": {"layer_norm_epsilon": 1e-6},
            "scale_attn_weights=False": {"scale_attn_weights": False},
            "scale_attn_by_inverse_layer_idx": {"scale_attn_by_inverse_layer_idx": True},
            "n_inner=40": {"n_inner": 40},
        },
        zeromodels="zeromodels.models.gpt2:GPT2Model",
    ),
    Family(
        "ViT",
        ViT(),
        "ViTForImageClassification",
        {
            "hidden_size": 24,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 40,
            "image_size": 8,
            "patch_size": 4,
            "num_channels": 3,
        },
        {
            "the default config": {},
            "layer_norm_eps=1e-6": {"layer_norm_eps": 1e-6},
            "hidden_act=gelu_new": {"layer_norm_eps": 1e-6, "hidden_act": "gelu_new"},
            "qkv_bias=False": {"layer_norm_eps": 1e-6, "qkv_bias": False},
        },
        base="vit",
    ),
    Family(
        "BART",
        Bart(),
        "BartModel",
        {
            "vocab_size": 31,
            "d_model": 24,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 40,
            "decoder_ffn_dim": 40,
            "max_position_embeddings": 14,
        },
        {
            "the default config": {},
            "scale_embedding": {"scale_embedding": True},
            "activation_function=relu": {"activation_function": "relu"},
            "decoder_attention_heads=2": {"decoder_attention_heads": 2},
            "decoder_layers=1": {"decoder_layers": 1},
        },
        zeromodels="zeromodels.models.bart:BartModel",
        ignored=frozenset(["decoder_attention_mask"]),
        mistakes={"decoder_attention_heads=4": {"decoder_attention_heads": 4}},
        published=lambda saved: {**saved, "num_hidden_layers": saved["encoder_layers"]},
        as_saved={"the default config": {}},
    ),
    Family(
        "Mistral",
        Mistral(),
        "MistralForCausalLM",
        LLAMA,
        {
            "the default config": {},
            "hidden_act=gelu": {"hidden_act": "gelu"},
            "rope_theta=1e6": ROPE_1E6,
        },
        base="model",
        zeromodels="zeromodels.models.mistral:MistralModel",
        mistakes={
            "rope_theta=1e4": {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}
        },
        published=rope_of_version_4,
        as_saved={"rope_theta=1e6": ROPE_1E6},
    ),
    Family(
        "Llama",
        Llama(),
        "LlamaForCausalLM",
        LLAMA,
        {
            "the default config": {},
            "rms_norm_eps=1e-5": {"rms_norm_eps": 1e-5},
            "attention_bias": {"attention_bias": True},
            "hidden_act=gelu": {"hidden_act": "gelu"},
            "rope_type=llama3": {"rope_parameters": LLAMA3_ROPE},
        },
        base="model",
        zeromodels="zeromodels.models.llama:LlamaModel",
        mistakes={
            "rope_theta=5e5": {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}},
            "no scaling of positions": {
                "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}
            },
        },
        published=rope_of_version_4,
        as_saved={"the default config": {}, "rope_type=llama3": {"rope_parameters": LLAMA3_ROPE}},
    ),
)
