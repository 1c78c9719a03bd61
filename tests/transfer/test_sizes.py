"""Sizes read off the shapes of a checkpoint."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbart_port import config as configs
from signbart_port import transfer
from signbart_port.model_files import mappings
from signbart_port.transfer import sizes_from_shapes
from tests.support.small_models import LSA_64, small_config

MAPPING = mappings.signbart()
SIZE = st.integers(1, 3000)
LAYERS = st.integers(1, 7)
SIZES = st.fixed_dictionaries(
    {name: LAYERS if name.endswith("_layers") else SIZE for name in configs.SIZES}
)
# Carried by two tensors alone: where one of them is damaged, shapes cannot tell which.
TWICE = {"num_labels", "max_position_embeddings", "joints"}
PROPERTY = settings(max_examples=60, deadline=None, database=None, derandomize=True)


def shapes_of(sizes):
    return {t.torch: t.torch_shape for t in transfer.plan(MAPPING, sizes).transfers}


@pytest.mark.parametrize("config", [LSA_64, small_config()], ids=["lsa-64", "small"])
def test_the_shapes_of_a_model_tell_its_sizes(config):
    assert sizes_from_shapes(MAPPING, shapes_of(config.sizes())) == config.sizes()


@PROPERTY
@given(SIZES, st.randoms(use_true_random=False))
def test_the_shapes_of_any_model_tell_its_sizes(sizes, random):
    shapes = list(shapes_of(sizes).items())
    random.shuffle(shapes)
    assert sizes_from_shapes(MAPPING, dict(shapes)) == sizes


@PROPERTY
@given(SIZES, st.data())
@pytest.mark.release
def test_one_damaged_tensor_is_outvoted(sizes, data):
    shapes = shapes_of(sizes)
    name = data.draw(st.sampled_from(sorted(shapes)))
    shape = shapes[name]
    damaged = data.draw(
        st.sampled_from([shape[::-1], (*shape, 3), (), tuple(n + 5 for n in shape), None])
    )
    without = {other: s for other, s in shapes.items() if other != name}
    found = sizes_from_shapes(MAPPING, without | ({} if damaged is None else {name: damaged}))
    assert found.keys() == sizes.keys()
    wrong = {size for size in sizes if found[size] != sizes[size]}
    assert wrong <= TWICE
    assert len(wrong) <= 1


def test_the_sizes_that_two_tensors_alone_carry():
    smallest = LSA_64.replace(encoder_layers=1, decoder_layers=1).sizes()
    carriers = Counter(
        size.name
        for rule in MAPPING.rules
        for _ in MAPPING.expand(rule.torch, smallest)
        for leaf in rule.leaves
        for size in {rule.dims[dim] for dim in leaf.dims}
    )
    assert {name for name, count in carriers.items() if count < 3} == TWICE


def test_layers_are_counted_by_the_highest_index():
    shapes = shapes_of(LSA_64.replace(encoder_layers=3, decoder_layers=1).sizes())
    without_first = {n: s for n, s in shapes.items() if not n.startswith("encoder.layers.0.")}
    assert sizes_from_shapes(MAPPING, without_first)["encoder_layers"] == 3
    without_last = {n: s for n, s in shapes.items() if not n.startswith("encoder.layers.2.")}
    assert sizes_from_shapes(MAPPING, without_last)["encoder_layers"] == 2
    one_left = without_last | {"encoder.layers.2.fc1.bias": (256,)}
    assert sizes_from_shapes(MAPPING, one_left)["encoder_layers"] == 3


def test_what_no_tensor_tells_is_absent():
    shapes = shapes_of(LSA_64.sizes())
    head = {n: s for n, s in shapes.items() if n.startswith("classification_head")}
    assert sizes_from_shapes(MAPPING, head) == {"num_labels": 64, "d_model": 128}
    assert sizes_from_shapes(MAPPING, {"conv1.weight": (64, 3, 7, 7)}) == {}
    assert sizes_from_shapes(MAPPING, {}) == {}


def test_other_names_and_layers_beyond_any_model_change_nothing():
    shapes = shapes_of(LSA_64.sizes())
    strange = {
        "encoder.layers.99999999999.fc1.bias": (256,),
        "encoder.layers.-1.fc1.bias": (256,),
        "encoder.layers.01.fc1.bias": (256,),
        "loss_fn.weight": (64,),
    }
    assert sizes_from_shapes(MAPPING, shapes | strange) == LSA_64.sizes()


def test_a_checkpoint_of_very_many_tensors_is_searched_to_a_bound():
    many = {f"x{i}": (1,) for i in range(20_000)} | {"encoder.layers.15000.fc1.bias": (256,)}
    assert sizes_from_shapes(MAPPING, many | shapes_of(LSA_64.sizes())) == LSA_64.sizes()
