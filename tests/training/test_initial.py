"""The weights that a training starts from."""

from __future__ import annotations

from math import sqrt

import numpy as np

from signbart_port.training.initial import drawn, with_new_head
from tests.support.small_models import LSA_64, plan_of, small_config

CONFIG = small_config()


def test_every_weight_is_drawn_by_its_name_in_pytorch() -> None:
    weights = drawn(CONFIG, 379)
    shapes = {t.torch: t.torch_shape for t in plan_of(CONFIG).transfers}
    assert {name: values.shape for name, values in weights.items()} == shapes
    assert all(values.dtype == np.float32 for values in weights.values())


def test_the_seed_settles_them() -> None:
    first, again, other = (drawn(CONFIG, seed) for seed in (1, 1, 2))
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])
        if "norm" not in name:
            assert (values != other[name]).all()
    flat = np.concatenate([v.ravel() for n, v in first.items() if "norm" not in n])
    assert len(np.unique(flat)) > 0.99 * len(flat)  # no tensor repeats another


def test_they_are_distributed_as_pytorchs() -> None:
    """Of a Linear uniform within ±1/√inputs, also its bias; of an Embedding standard normal; of a
    LayerNorm one and zero. (What PyTorch draws is held against the same bounds in
    test_training_torch.)"""
    weights = drawn(LSA_64, 0)
    for name, values in weights.items():
        if "norm" in name:
            assert (values == (1 if name.endswith("weight") else 0)).all()
        elif "embed_positions" in name:
            assert abs(values.mean()) < 0.02 and abs(values.std() - 1) < 0.02
        else:
            bound = 1 / sqrt(weights[name.replace(".bias", ".weight")].shape[1])
            assert np.abs(values).max() <= bound
            assert np.abs(values).max() > 0.9 * bound
            assert abs(values.std() - bound / sqrt(3)) < 0.2 * bound


def test_a_new_head_leaves_the_rest() -> None:
    weights = drawn(CONFIG, 1)
    wider = CONFIG.replace(num_labels=9)
    renewed = with_new_head(weights, wider, 2)
    assert renewed.keys() == weights.keys()
    for name, values in renewed.items():
        if name.startswith("classification_head"):
            assert values.shape[0] == 9
            np.testing.assert_array_equal(values, drawn(wider, 2)[name])
        else:
            assert values is weights[name]
