"""Small models for tests: configs, and state dicts with PyTorch's names and shapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from signbart_port import config as configs
from signbart_port.config import SignBartConfig
from signbart_port.model_files import mappings
from signbart_port.parity.perturbation import perturbed
from signbart_port.training.initial import drawn
from signbart_port.transfer import Plan

Arrays = dict[str, np.ndarray]
Once = Callable[[str, Callable[[Path], Any]], Any]
"""The fixture `once`."""

LSA_64 = configs.named("lsa-64")


def small_config(**changes: Any) -> SignBartConfig:
    """Return a tiny valid config in which no two sizes are equal, so that none can stand for
    another."""
    values = {
        "d_model": 8,
        "encoder_layers": 2,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 12,
        "decoder_layers": 3,
        "decoder_attention_heads": 4,
        "decoder_ffn_dim": 10,
        "max_position_embeddings": 16,
        "num_labels": 5,
        "joint_idx": (11, 0, 2, 3, 5, 7),
        "activation_dropout": 0.1,
        "classifier_dropout": 0.4,
    }
    return SignBartConfig(**(values | changes))


def plan_of(config: SignBartConfig) -> Plan:
    """Return the plan of SignBART's own mapping for `config`."""
    return mappings.plan_for(config)


def state_dict(config: SignBartConfig, seed: int = 0) -> Arrays:
    """Draw random float32 weights that hide nothing."""
    return perturbed(drawn(config, seed), seed)


def distinct_state_dict(config: SignBartConfig) -> Arrays:
    """Make weights whose every element, over all tensors, is another float32 (and small: the model
    can run on them)."""
    plan = plan_of(config)
    assert plan.parameters < 2**24, "float32 counts no further"
    values = np.arange(1, plan.parameters + 1, dtype=np.float32) / np.float32(2**24)
    parts = np.split(values, np.cumsum([np.prod(t.torch_shape) for t in plan.transfers])[:-1])
    return {
        t.torch: part.reshape(t.torch_shape) for t, part in zip(plan.transfers, parts, strict=True)
    }


def save_pth(path: Path, arrays: Arrays, **container: Any) -> Path:
    """Write a checkpoint by torch.save.

    A bare state dict; or, with `container`, the weights under "model" beside those entries.
    """
    import torch

    state = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    torch.save({"model": state, **container} if container else state, path)
    return path
