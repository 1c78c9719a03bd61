"""Every tensor and every element goes to its place, and comes back from it."""

from __future__ import annotations

from collections import Counter
from math import prod

import numpy as np
import pytest

from signbart_port import transfer
from signbart_port.transfer import Direction
from tests.support.running import run_python
from tests.support.small_models import LSA_64, distinct_state_dict, plan_of, small_config

TO_KERAS, TO_TORCH = Direction.TORCH_TO_KERAS, Direction.KERAS_TO_TORCH
CONFIGS = pytest.mark.parametrize("config", [LSA_64, small_config()], ids=["lsa-64", "small"])


def published_tensors(config):
    """Name and shape of every tensor of the published model, written down from its description,
    not from the mapping."""
    d, ffn = config.d_model, {"encoder": config.encoder_ffn_dim, "decoder": config.decoder_ffn_dim}
    layers = {"encoder": config.encoder_layers, "decoder": config.decoder_layers}
    shapes = {}

    def linear(name, out, into):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, into), (out,)

    def norm(name):
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (d,)

    linear("projection.proj_x1", d, len(config.joint_idx))
    linear("projection.proj_y1", d, len(config.joint_idx))
    for stack in ("encoder", "decoder"):
        shapes[f"{stack}.embed_positions.weight"] = (config.max_position_embeddings + 2, d)
        norm(f"{stack}.layernorm_embedding")
        for i in range(layers[stack]):
            for attention in ("self_attn", "encoder_attn")[: 1 + (stack == "decoder")]:
                for proj in ("k_proj", "v_proj", "q_proj", "out_proj"):
                    linear(f"{stack}.layers.{i}.{attention}.{proj}", d, d)
                norm(f"{stack}.layers.{i}.{attention}_layer_norm")
            linear(f"{stack}.layers.{i}.fc1", ffn[stack], d)
            linear(f"{stack}.layers.{i}.fc2", d, ffn[stack])
            norm(f"{stack}.layers.{i}.final_layer_norm")
    linear("classification_head.out_proj", config.num_labels, d)
    return shapes


def keras_path(name):
    """The Keras variable of a PyTorch name: a slash for a dot, but `layers.0` is one layer; the
    leaf by its kind."""
    *modules, leaf = name.split(".")
    if "norm" in modules[-1]:
        leaf = {"weight": "gamma", "bias": "beta"}[leaf]
    elif leaf == "weight":
        leaf = "embeddings" if modules[-1] == "embed_positions" else "kernel"
    return "/".join([*modules, leaf]).replace("layers/", "layers.")


def some_bits(shape, random):
    """Any bits at all, as float32: NaN payloads, infinities, -0.0 and denormals among them."""
    return random.integers(0, 2**32, shape, dtype=np.uint32).view(np.float32)


def test_the_engine_imports_no_framework():
    loaded = run_python(
        "import sys, signbart_port.transfer as t; from signbart_port.model_files import mappings;"
        " t.plan(mappings.signbart(), dict.fromkeys("
        "'d_model encoder_layers encoder_ffn_dim decoder_layers decoder_ffn_dim"
        " max_position_embeddings num_labels joints'.split(), 2))\n"
        "print(*sorted(name.split('.')[0] for name in sys.modules))"
    ).split()
    assert "numpy" in loaded and "yaml" in loaded
    assert {"torch", "tensorflow", "keras", "ai_edge_litert"}.isdisjoint(loaded)


def test_lsa_64_has_749_888_parameters_in_96_tensors_each_used_once():
    plan = plan_of(LSA_64)
    assert plan.parameters == 749_888
    assert len(plan.transfers) == 96
    for side in ("torch", "keras"):
        assert set(Counter(getattr(t, side) for t in plan.transfers).values()) == {1}


@CONFIGS
def test_names_and_shapes_are_the_published_ones(config):
    plan = plan_of(config)
    assert {t.torch: t.torch_shape for t in plan.transfers} == published_tensors(config)
    for t in plan.transfers:
        assert t.keras == keras_path(t.torch)
        turned = t.keras.endswith("/kernel")
        assert t.keras_shape == (t.torch_shape[::-1] if turned else t.torch_shape)


@CONFIGS
def test_every_element_has_its_place(config):
    source = distinct_state_dict(config)
    values = np.concatenate([array.ravel() for array in source.values()])
    assert len(np.unique(values)) == len(values), "each element can be told from all others"
    written = dict(transfer.apply(plan_of(config), TO_KERAS, source))
    assert len(written) == len(source)
    for name, weight in source.items():
        target = written[keras_path(name)]
        if not keras_path(name).endswith("/kernel"):
            assert target.shape == weight.shape and (target == weight).all(), name
            continue
        i, j = np.indices(target.shape)
        assert target.size == weight.size and (target[i, j] == weight[j, i]).all(), name


@CONFIGS
@pytest.mark.parametrize("there", Direction, ids=str)
def test_there_and_back_keeps_every_bit(config, there):
    plan, random = plan_of(config), np.random.default_rng(1)
    back = TO_TORCH if there is TO_KERAS else TO_KERAS
    source = {t.source(there)[0]: some_bits(t.source(there)[1], random) for t in plan.transfers}
    target = dict(transfer.apply(plan, there, source))
    returned = dict(transfer.apply(plan, back, target))
    assert {name: array.shape for name, array in target.items()} == {
        t.target(there)[0]: t.target(there)[1] for t in plan.transfers
    }
    assert returned.keys() == source.keys()
    for name, array in source.items():
        assert returned[name].shape == array.shape
        assert returned[name].tobytes() == array.tobytes(), name
    assert transfer.compare(plan, there, source, target) == []


def test_data_moves_without_a_copy():
    source = distinct_state_dict(small_config())
    plan = plan_of(small_config())
    for t, (name, array) in zip(
        plan.transfers, transfer.apply(plan, TO_KERAS, source), strict=True
    ):
        assert name == t.keras
        assert np.shares_memory(array, source[t.torch])


def test_same_bits_tells_what_equality_does_not():
    one = np.array([1.0, -0.0, np.nan], np.float32)
    assert transfer.same_bits(one, one.copy())
    assert not transfer.same_bits(one, np.array([1.0, 0.0, np.nan], np.float32))
    assert not transfer.same_bits(one, one.astype(np.float64))
    assert not transfer.same_bits(one, one[None])
    assert transfer.same_bits(np.array(2, np.float32), np.array(2, np.float32))
    turned = np.arange(6, dtype=np.float32).reshape(2, 3).T
    assert transfer.same_bits(turned, np.ascontiguousarray(turned))


def test_a_plan_counts_the_values_that_it_carries():
    config = small_config()
    shapes = published_tensors(config)
    assert plan_of(config).parameters == sum(prod(shape) for shape in shapes.values())
