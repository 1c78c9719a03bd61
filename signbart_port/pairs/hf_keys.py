"""The keys of Hugging Face's configs, and what keras-hub makes of each: arguments of a backbone,
values that it computes with, and what changes nothing in what is compared."""

from __future__ import annotations

from collections.abc import Mapping

from signbart_port.parity.config_keys import Ignored, Key, Mapped, Required, SameAs

TANH_GELU = ("gelu_new", "gelu_pytorch_tanh")
"""Hugging Face's names for GELU in its approximation with tanh."""
TRAINING = Ignored("dropout and first values: for training only")
_FILE = Ignored("says where the file comes from")
_TASK = Ignored("of the task's head, which is not compared")
_TOKEN = Ignored("the id of a token: no tensor depends on it")
_TEXT = Ignored("of the generation of text")
_MORE = Ignored("asks for further outputs, or for another way to the same ones")


def _each(names: str, key: Key) -> Mapping[str, Key]:
    return dict.fromkeys(names.split(), key)


OF_ALL: Mapping[str, Key] = {
    **_each(
        "_name_or_path _num_labels architectures model_type transformers_version torch_dtype "
        "dtype directionality",
        _FILE,
    ),
    **_each(
        "id2label label2id num_labels problem_type finetuning_task task_specific_params "
        "classifier_dropout classif_dropout tie_word_embeddings is_encoder_decoder",
        _TASK,
    ),
    **_each(
        "pad_token_id bos_token_id eos_token_id sep_token_id decoder_start_token_id",
        _TOKEN,
    ),
    **_each(
        "output_attentions output_hidden_states use_cache chunk_size_feed_forward "
        "gradient_checkpointing attn_implementation _attn_implementation",
        _MORE,
    ),
    **_each(
        "max_length min_length do_sample early_stopping num_beams num_beam_groups "
        "length_penalty diversity_penalty temperature top_k top_p typical_p "
        "repetition_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids "
        "num_return_sequences output_scores return_dict_in_generate forced_bos_token_id "
        "forced_eos_token_id force_bos_token_to_be_generated remove_invalid_values prefix "
        "suppress_tokens begin_suppress_tokens exponential_decay_length_penalty",
        _TEXT,
    ),
    **_each(
        "initializer_range init_std",
        TRAINING,
    ),
    "return_dict": Required((True,)),
    "pruned_heads": Required(({}, None)),
}
"""The keys that any of these configs may have."""

BERT: Mapping[str, Key] = {
    **OF_ALL,
    "vocab_size": Mapped(30522, to="vocabulary_size"),
    "num_hidden_layers": Mapped(12, to="num_layers"),
    "num_attention_heads": Mapped(12, to="num_heads"),
    "hidden_size": Mapped(768, to="hidden_dim"),
    "intermediate_size": Mapped(3072, to="intermediate_dim"),
    "max_position_embeddings": Mapped(512, to="max_sequence_length"),
    "type_vocab_size": Mapped(2, to="num_segments"),
    "hidden_act": Required(TANH_GELU, default="gelu"),
    "layer_norm_eps": Required((1e-12,)),
    "position_embedding_type": Required(("absolute",)),
    "is_decoder": Required((False,)),
    "add_cross_attention": Required((False,)),
    "hidden_dropout_prob": TRAINING,
    "attention_probs_dropout_prob": TRAINING,
    **_each(
        "pooler_fc_size pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head "
        "pooler_type",
        Ignored(
            "of the first BERT's pooler, which nothing reads",
        ),
    ),
}

GPT2: Mapping[str, Key] = {
    **OF_ALL,
    "vocab_size": Mapped(50257, to="vocabulary_size"),
    "n_layer": Mapped(12, to="num_layers"),
    "n_head": Mapped(12, to="num_heads"),
    "n_embd": Mapped(768, to="hidden_dim"),
    "n_inner": Mapped(None),
    "n_positions": Mapped(1024, to="max_sequence_length"),
    "activation_function": Required(TANH_GELU),
    "layer_norm_epsilon": Required((1e-5,)),
    "scale_attn_weights": Required((True,)),
    "scale_attn_by_inverse_layer_idx": Required((False,)),
    "reorder_and_upcast_attn": Required((False,)),
    "add_cross_attention": Required((False,)),
    **_each(
        "resid_pdrop embd_pdrop attn_pdrop",
        TRAINING,
    ),
    **_each(
        "summary_activation summary_first_dropout summary_proj_to_labels summary_type "
        "summary_use_proj",
        Ignored(
            "of a head for classes, which is not compared",
        ),
    ),
    "n_ctx": Ignored("an older name of n_positions, which nothing reads"),
}

VIT: Mapping[str, Key] = {
    **OF_ALL,
    "image_size": Mapped(224),
    "num_channels": Mapped(3),
    "patch_size": Mapped(16, to="patch_size"),
    "num_hidden_layers": Mapped(12, to="num_layers"),
    "num_attention_heads": Mapped(12, to="num_heads"),
    "hidden_size": Mapped(768, to="hidden_dim"),
    "intermediate_size": Mapped(3072, to="mlp_dim"),
    "layer_norm_eps": Mapped(1e-12, to="layer_norm_epsilon"),
    "hidden_act": Required(("gelu",)),
    "qkv_bias": Required((True,)),
    "hidden_dropout_prob": TRAINING,
    "attention_probs_dropout_prob": TRAINING,
    "encoder_stride": Ignored("of a head for masked images, which is not compared"),
    "pooler_output_size": Ignored("of the pooler, which keras-hub lacks"),
    "pooler_act": Ignored("of the pooler, which keras-hub lacks"),
}


def _encoder_decoder(
    vocabulary: int, width: int, inner: int, layers: int, heads: int
) -> Mapping[str, Key]:
    """Return the keys of an encoder and a decoder, which keras-hub gives the same sizes."""
    return {
        **OF_ALL,
        "vocab_size": Mapped(vocabulary, to="vocabulary_size"),
        "d_model": Mapped(width, to="hidden_dim"),
        "encoder_layers": Mapped(layers, to="num_layers"),
        "encoder_attention_heads": Mapped(heads, to="num_heads"),
        "encoder_ffn_dim": Mapped(inner, to="intermediate_dim"),
        "decoder_layers": SameAs("encoder_layers", default=layers),
        "decoder_attention_heads": SameAs("encoder_attention_heads", default=heads),
        "decoder_ffn_dim": SameAs("encoder_ffn_dim", default=inner),
        "num_hidden_layers": SameAs("encoder_layers"),
        "activation_function": Required(("gelu",)),
        "tie_word_embeddings": Required((True,)),
        **_each(
            "dropout activation_dropout attention_dropout encoder_layerdrop decoder_layerdrop",
            TRAINING,
        ),
    }


BART: Mapping[str, Key] = {
    **_encoder_decoder(vocabulary=50265, width=1024, inner=4096, layers=12, heads=16),
    "max_position_embeddings": Mapped(1024, to="max_sequence_length"),
    "scale_embedding": Required((False, None)),
    "is_decoder": Required((False,)),
    "normalize_embedding": Required((True,)),
    **_each(
        "add_bias_logits add_final_layer_norm normalize_before static_position_embeddings",
        Required(
            (False,),
        ),
    ),
}

WHISPER: Mapping[str, Key] = {
    **_encoder_decoder(vocabulary=51865, width=384, inner=1536, layers=4, heads=6),
    "num_mel_bins": Mapped(80, to="num_mels"),
    "max_source_positions": Mapped(1500),
    "max_target_positions": Mapped(448, to="max_decoder_sequence_length"),
    "pad_token_id": Mapped(50256),  # a row of the vocabulary, as PyTorch's embedding wants it
    "scale_embedding": Mapped(False),  # WhisperModel reads it and never scales: either is fine
    **_each(
        "apply_spec_augment mask_time_prob mask_time_length mask_time_min_masks "
        "mask_feature_prob mask_feature_length mask_feature_min_masks",
        TRAINING,
    ),
    **_each(
        "use_weighted_layer_sum classifier_proj_size median_filter_width alignment_heads "
        "is_multilingual lang_to_id task_to_id no_timestamps_token_id",
        _TASK,
    ),
}

MOBILENET_V2: Mapping[str, Key] = {
    **OF_ALL,
    "image_size": Mapped(224),
    "num_channels": Mapped(3),
    "depth_multiplier": Mapped(1.0, to="alpha"),
    "depth_divisible_by": Required((8,)),
    "min_depth": Required((8,)),
    "expand_ratio": Required((6,), default=6.0),
    "output_stride": Required((32,)),
    "hidden_act": Required(("relu6",)),
    **_each("first_layer_is_expansion finegrained_output tf_padding", Required((True,))),
    "layer_norm_eps": Required((0.001,)),
    "classifier_dropout_prob": TRAINING,
    "semantic_loss_ignore_index": _TASK,
}
