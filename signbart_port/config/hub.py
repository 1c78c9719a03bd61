"""Configs of the Hugging Face hub: a BartConfig, with SignBART's keys among BART's own.

Written by `transformers`, of which this knows the keys alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from signbart_port.errors import printable

MARKS = ("model_type", "transformers_version", "architectures")
"""The keys by which a config of the hub is known."""

FIXED: dict[str, tuple[Any, ...]] = {
    "activation_function": ("gelu",),
    "add_bias_logits": (False, None),
    "add_final_layer_norm": (False, None),
    "extra_pos_embeddings": (2, None),
    "layer_norm_eps": (1e-5, None),
    "normalize_before": (False, None),
    "normalize_embedding": (True, None),
    "pruned_heads": ({}, None),
    "quantization_config": (None,),
    "scale_embedding": (False, None),
    "static_position_embeddings": (False, None),
}
"""Keys on which a model's numbers depend, with the values that they have in a SignBART."""

_BARTS_OWN = """
_attn_implementation _commit_hash _name_or_path _num_labels add_cross_attention architectures
attn_implementation auto_map bad_words_ids begin_suppress_tokens bos_token_id
chunk_size_feed_forward cross_attention_hidden_size decoder_start_token_id diversity_penalty
do_sample dtype early_stopping encoder_no_repeat_ngram_size eos_token_id
exponential_decay_length_penalty finetuning_task force_bos_token_to_be_generated
forced_bos_token_id forced_eos_token_id gradient_checkpointing hidden_size init_std
initializer_range is_decoder is_encoder_decoder length_penalty max_length min_length model_type
no_repeat_ngram_size num_attention_heads num_beam_groups num_beams num_hidden_layers
num_return_sequences output_attentions output_hidden_states output_past output_scores pad_token_id
prefix problem_type remove_invalid_values repetition_penalty return_dict return_dict_in_generate
sep_token_id suppress_tokens task_specific_params temperature tf_legacy_loss tie_encoder_decoder
tie_word_embeddings tokenizer_class top_k top_p torch_dtype torchscript transformers_version
typical_p use_bfloat16 use_cache vocab_size
"""
WITHOUT_EFFECT = frozenset(_BARTS_OWN.split())
"""BART's other keys: a SignBART has no tokens, and generates none."""


def is_hub(data: Mapping[str, Any]) -> bool:
    """Return whether `transformers` wrote this config."""
    return any(key in data for key in MARKS)


def deviations(data: Mapping[str, Any]) -> list[str]:
    """Return a sentence for every key that makes the model another one than a SignBART."""
    return [
        f"{key} is {printable(data[key], 40)}, in a SignBART {expected[0]}"
        for key, expected in FIXED.items()
        if key in data and data[key] not in expected
    ]
