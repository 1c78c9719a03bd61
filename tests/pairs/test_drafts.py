"""Drafts of the mappings of the shipped pairs: how much of each is right, were it deleted."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from signbart_port import transfer
from signbart_port.transfer import Direction, Plan, Shapes
from signbart_port.verbs.plan_pair import PairPlanned, plan_pair

RNN = {"inputs": 5, "units": 6, "layers": 2, "outputs": 3}
BERT = {
    "vocab_size": 31,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 14,
    "hidden_act": "gelu_new",
}
VIT = {"image_size": 12, "patch_size": 4, "num_channels": 2} | {
    name: BERT[name] for name in ("hidden_size", "num_hidden_layers", "num_attention_heads")
}
GPT2 = {"vocab_size": 31, "n_embd": 24, "n_layer": 2, "n_head": 4, "n_inner": 40} | {
    "n_positions": 14,
    "bos_token_id": None,
    "eos_token_id": None,
}
BART = {"vocab_size": 31, "d_model": 24, "max_position_embeddings": 14} | {
    f"{side}_{name}": value
    for side in ("encoder", "decoder")
    for name, value in (("layers", 2), ("attention_heads", 4), ("ffn_dim", 40))
}
ENCODER = {"width": 16, "heads": 4, "inner": 24, "layers": 2, "activation": "relu"}
# The config, the number of Keras' variables, and of the lines whose place or direction is a guess:
# what `convert` refuses until a person has looked it up.
PAIRS: dict[str, tuple[dict[str, Any], int, int]] = {
    "torch-conv": ({"inputs": 4, "channels": 6, "outputs": 3}, 10, 0),
    "torch-lstm": (RNN, 8, 0),
    "torch-gru": (RNN, 8, 0),
    "torch-lstm-both-ways": (RNN, 14, 0),
    "torch-gru-both-ways": (RNN, 14, 0),
    "torch-transformer": (ENCODER | {"norm_first": False}, 32, 2),
    "hf-bert": (BERT, 39, 0),
    "hf-gpt2": (GPT2, 36, 3),
    "hf-vit": (VIT | {"intermediate_size": 40}, 38, 2),
    "hf-bart": (BART, 91, 2),
}


@pytest.mark.on_commit("torch-conv")
@pytest.mark.parametrize("name", PAIRS)
def test_every_tensor_of_a_draft_is_placed_right(name, tmp_path):
    config, variables, guesses = PAIRS[name]
    (path := tmp_path / "config.json").write_text(json.dumps(config))
    drafted, shipped = (plan_pair(None, name, config=path, draft=draft) for draft in (True, False))
    assert not drafted.findings and not shipped.findings
    assert placed_right(drafted, shipped.plan) == (variables, variables)
    assert len(drafted.guesses) == guesses


def placed_right(drafted: PairPlanned, shipped: Plan) -> tuple[int, int]:
    """Return how many of Keras' variables a draft fills as the shipped mapping does."""
    expected, got = _moved(shipped, drafted.shapes), _moved(drafted.plan, drafted.shapes)
    right = [name for name in expected if name in got and np.array_equal(expected[name], got[name])]
    return len(right), len(expected)


def _moved(plan: Plan, shapes: Shapes) -> dict[str, np.ndarray]:
    """Move tensors whose every value is another one."""
    random = np.random.default_rng(0)
    tensors = {name: random.standard_normal(shape) for name, shape in shapes.torch.items()}
    return {
        name: array.copy()
        for name, array in transfer.apply(plan, Direction.TORCH_TO_KERAS, tensors)
    }
