"""Misspelt keys: which one was meant, and which was meant for another program."""

from __future__ import annotations

import pytest

from signbart_port.config.model import KNOWN_KEYS
from signbart_port.config.spelling import meant


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("d_modle", "d_model"),
        ("dModel", "d_model"),
        ("D-Model", "d_model"),
        ("num_lables", "num_labels"),
        ("encoder_atention_head", "encoder_attention_heads"),
        ("decoder_layer", "decoder_layers"),
        ("jointidx", "joint_idx"),
        ("layouts", "layout"),
        ("count_mising", "count_missing"),
        ("lrs", "lr"),
        ("epoch", "epochs"),
    ],
)
def test_one_that_is_nearly_known(key: str, known: str) -> None:
    assert meant(key, KNOWN_KEYS) == known


@pytest.mark.parametrize(
    "key",
    [
        *("wandb", "project", "notes", "momentum", "vocab_size", "activation_function"),
        *("lr_scheduler", "num_classes", "nhead", "hidden_size", "l1", "pad", "", "-", "k" * 9999),
    ],
)
def test_another_programs(key: str) -> None:
    assert meant(key, KNOWN_KEYS) is None
