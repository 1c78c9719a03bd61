"""The weights that a training starts from: the same in both frameworks."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.config import SignBartConfig
from signbart_port.model_files import mappings
from signbart_port.transfer import Transfer

Weights = Mapping[str, NDArray[Any]]
"""By their names in PyTorch."""


def drawn(config: SignBartConfig, seed: int) -> Weights:
    """Draw random weights, distributed as in PyTorch: a Linear's uniform within ±1/√(its inputs),
    an Embedding's standard normal, a LayerNorm's one and zero."""
    transfers = mappings.plan_for(config).transfers
    rng = np.random.default_rng([seed, _INITIAL])
    inputs = {t.module: t.keras_shape[0] for t in transfers if t.keras.endswith("/kernel")}
    return {t.torch: _drawn(t, inputs.get(t.module), rng) for t in transfers}


_INITIAL = 2**31  # no epoch's number: the epochs draw from the same seed


def _drawn(t: Transfer, inputs: int | None, rng: np.random.Generator) -> NDArray[np.float32]:
    leaf = t.keras.rpartition("/")[2]
    if inputs is not None:
        bound = 1 / sqrt(inputs)
        return rng.uniform(-bound, bound, t.torch_shape).astype(np.float32)
    if leaf == "embeddings":
        return rng.standard_normal(t.torch_shape, np.float32)
    return np.full(t.torch_shape, float(leaf == "gamma"), np.float32)


def with_new_head(weights: Weights, config: SignBartConfig, seed: int) -> Weights:
    """Return the same weights with a new classification head, drawn for the labels of `config`."""
    fresh = drawn(config, seed)
    head = [
        t.torch
        for t in mappings.plan_for(config).transfers
        if t.module.startswith("classification_head")
    ]
    return {**weights, **{name: fresh[name] for name in head}}
