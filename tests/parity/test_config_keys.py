"""Every key of a config is accounted for: mapped, required, the same as another, or ignored."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from signbart_port.pairs.hf import HuggingFacePair
from signbart_port.pairs.hf_bart import Bart
from signbart_port.pairs.hf_bert import Bert
from signbart_port.pairs.hf_gpt2 import GPT2
from signbart_port.pairs.hf_mobilenet_v2 import MobileNetV2
from signbart_port.pairs.hf_vit import ViT
from signbart_port.pairs.hf_whisper import Whisper
from signbart_port.pairs.torch_rnn import LSTM
from signbart_port.pairs.torch_transformer import TransformerEncoder
from signbart_port.parity.config_keys import (
    Ignored,
    Mapped,
    Required,
    SameAs,
    completed,
    read_config,
)
from signbart_port.parity.pair import Pair


class Keyed(Pair):
    keys: ClassVar = {
        "width": Mapped(),
        "depth": Mapped(2),
        "depth_of_decoder": SameAs("depth"),
        "activation": Required(("relu", "gelu"), default="tanh"),
        "scaled": Required((False,)),
        "dropout": Ignored("for training only"),
    }


RIGHT = {"width": 3, "activation": "relu"}


def test_what_is_absent_has_its_default() -> None:
    defaults = {"depth": 2, "depth_of_decoder": 2, "scaled": False}
    assert read_config(Keyed(), RIGHT, {}) == {**RIGHT, **defaults}


def test_the_users_values_come_first() -> None:
    config = read_config(Keyed(), {"width": 4, "depth": 1}, {**RIGHT, "dropout": 0.5})
    assert (config["width"], config["depth_of_decoder"], config["dropout"]) == (4, 1, 0.5)


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"biased": True}, "the pair does not know biased, which may change what is computed"),
        ({"biased": True, "scale": 1}, "the pair does not know biased, scale, which"),
        ({"activation": "silu"}, "activation is 'silu': the Keras model computes 'relu' or 'gelu'"),
        ({"scaled": True}, "scaled is True: the Keras model computes False only"),
        ({"depth": 1, "depth_of_decoder": 3}, "depth_of_decoder is 3, depth 1: the Keras model"),
        ({"scaled": True, "biased": 1}, "the pair does not know biased, .*; scaled is True"),
        ({"\x1b[2J": 1}, r"the pair does not know \\x1b\[2J, which"),
    ],
)
def test_what_the_keys_do_not_allow_is_a_finding(stated: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_config(Keyed(), {**RIGHT, **stated}, {})
    with pytest.raises(ValueError, match=says):
        read_config(Keyed(), {}, {**RIGHT, **stated})  # of the checkpoint as of the user


def test_a_default_that_keras_does_not_compute_is_a_finding() -> None:
    with pytest.raises(ValueError, match="activation is 'tanh'"):
        read_config(Keyed(), {"width": 3}, {})


def test_what_is_needed_and_absent_is_a_finding() -> None:
    with pytest.raises(ValueError, match="the config has no inputs, units, outputs"):
        read_config(LSTM(), {"layers": 1}, {})


def test_a_pair_without_keys_takes_any() -> None:
    assert read_config(Pair(), {"any": 1}, {"other": 2}) == {"any": 1, "other": 2}


BERT, BART = Bert.example, Bart.example


@pytest.mark.parametrize(
    ("pair", "stated", "says"),
    [
        (Bert(), {"attention_bias": False}, "does not know attention_bias"),
        (Bert(), BERT | {"hidden_act": "relu"}, "hidden_act is 'relu'"),
        (Bert(), {}, "hidden_act is 'gelu': the Keras model computes 'gelu_new' or"),
        (Bert(), BERT | {"position_embedding_type": "relative_key"}, "computes 'absolute' only"),
        (Bert(), BERT | {"pruned_heads": {0: [1]}}, "pruned_heads is {0: .1.}"),
        (Bart(), BART | {"scale_embedding": True}, "scale_embedding is True"),
        (Bart(), BART | {"decoder_attention_heads": 2}, "decoder_attention_heads is 2, encoder_"),
        (Bart(), {"encoder_layers": 6}, "decoder_layers is 12, encoder_layers 6"),
        (Bart(), BART | {"normalize_before": True}, "normalize_before is True"),
        (GPT2(), {"n_embd": 24, "hidden_size": 48}, "does not know hidden_size"),
        (GPT2(), {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
        (ViT(), {"qkv_bias": False}, "qkv_bias is False: the Keras model computes True only"),
        (TransformerEncoder(), TransformerEncoder.example | {"activation": "silu"}, "'relu' or"),
    ],
)
def test_what_keras_hubs_converters_ignore_is_found(
    pair: Pair, stated: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        read_config(pair, stated, {})


def test_what_older_configs_hold_is_accounted_for() -> None:
    older = {
        "_num_labels": 3,
        "add_final_layer_norm": False,
        "architectures": ["BartModel"],
        "classif_dropout": 0.1,
        "early_stopping": True,
        "gradient_checkpointing": False,
        "normalize_before": False,
        "normalize_embedding": True,
        "num_beams": 4,
        "num_hidden_layers": 2,
        "task_specific_params": {"summarization": {"num_beams": 4}},
        "torch_dtype": "float32",
    }
    assert read_config(Bart(), {}, {**BART, **older})["d_model"] == 24


@pytest.mark.release
@pytest.mark.parametrize("pair", [Bert(), Bart(), GPT2(), ViT(), Whisper(), MobileNetV2()])
def test_every_key_of_hugging_faces_config_is_accounted_for(pair: HuggingFacePair) -> None:
    import transformers

    config = getattr(transformers, pair.model).config_class().to_dict()
    assert config.keys() <= pair.keys.keys()
    ours = completed(pair.keys, {})
    assert {name: ours[name] for name in ours.keys() & config.keys()} == {
        name: config[name] for name in ours.keys() & config.keys()
    }
