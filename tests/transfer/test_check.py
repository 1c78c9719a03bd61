"""Mutations: each way to spoil a transfer is found, by its code, on either side."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from signbart_port import transfer
from signbart_port.transfer import Code, Direction, Finding, check, compare, summary
from tests.support.small_models import distinct_state_dict, plan_of, small_config

CONFIG = small_config()
PLAN = plan_of(CONFIG)
TO_KERAS = Direction.TORCH_TO_KERAS
DIRECTIONS = pytest.mark.parametrize("direction", Direction, ids=lambda d: d.value)


def tensors(direction):
    """A source in which nothing is wrong."""
    state = distinct_state_dict(CONFIG)
    if direction is TO_KERAS:
        return state
    return {k: np.array(v) for k, v in transfer.apply(PLAN, TO_KERAS, state)}


def target_shapes(direction):
    return {t.target(direction)[0]: t.target(direction)[1] for t in PLAN.transfers}


def codes(findings):
    return [(finding.code, finding.name) for finding in findings]


@DIRECTIONS
def test_a_whole_source_and_target_give_no_finding(direction):
    assert check(PLAN, direction, tensors(direction), target_shapes(direction)) == []
    assert check(PLAN, direction, tensors(direction)) == []


@DIRECTIONS
def test_a_dropped_tensor_is_missing(direction):
    source = tensors(direction)
    for t in PLAN.transfers:
        name = t.source(direction)[0]
        rest = {other: array for other, array in source.items() if other != name}
        found = check(PLAN, direction, rest)
        assert found == [Finding(Code.MISSING, name, f"signbart.yaml:{t.line}")]


@DIRECTIONS
def test_a_renamed_tensor_is_missing_and_unmapped(direction):
    source = tensors(direction)
    for name in source:
        renamed = {other.replace(name, f"{name}_"): array for other, array in source.items()}
        expected = [(Code.MISSING, name), (Code.UNMAPPED, f"{name}_")]
        assert codes(check(PLAN, direction, renamed)) == expected


@DIRECTIONS
def test_an_added_tensor_is_unmapped(direction):
    extra = {"encoder.layers.2.fc1.weight": np.zeros((12, 8), np.float32)}
    found = check(PLAN, direction, tensors(direction) | extra)
    assert codes(found) == [(Code.UNMAPPED, "encoder.layers.2.fc1.weight")]


@DIRECTIONS
@pytest.mark.parametrize(
    "reshape",
    [
        lambda a: np.concatenate([a, a[:1]]),
        lambda a: a[:-1],
        lambda a: a[None],
        lambda a: a[..., 0],
        lambda a: a.reshape(-1)[None, :, None],
    ],
    ids=["one more", "one less", "rank more", "rank less", "flat"],
)
def test_a_wrong_shape_is_named_with_expected_and_got(direction, reshape):
    source = tensors(direction)
    for t in PLAN.transfers:
        name, shape = t.source(direction)
        wrong = reshape(source[name])
        where = f"signbart.yaml:{t.line}"
        found = check(PLAN, direction, source | {name: wrong})
        assert found == [Finding(Code.SHAPE, name, f"expected {shape}, got {wrong.shape}, {where}")]


@DIRECTIONS
def test_a_transposed_tensor_has_a_wrong_shape_unless_it_is_square(direction):
    source = tensors(direction)
    square = 0
    for name, array in source.items():
        found = check(PLAN, direction, source | {name: array.T})
        square += not found
        if array.shape != array.T.shape:
            assert codes(found) == [(Code.SHAPE, name)]
    assert square, "what a check of shapes alone lets pass: `compare` finds it, see below"


@DIRECTIONS
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_is_found_and_counted(direction, value):
    source = tensors(direction)
    for name, array in source.items():
        spoiled = array.copy()
        spoiled.flat[-1] = value
        found = check(PLAN, direction, source | {name: spoiled})
        assert found == [Finding(Code.NONFINITE, name, f"1 of {array.size:,} values")]


@DIRECTIONS
@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.bool_])
def test_a_type_that_is_not_floating_is_found(direction, dtype):
    source = tensors(direction)
    for name, array in source.items():
        found = check(PLAN, direction, source | {name: array.astype(dtype)})
        assert found == [Finding(Code.DTYPE, name, np.dtype(dtype).name)]


@DIRECTIONS
def test_a_target_without_a_tensor_with_another_or_with_another_shape(direction):
    source, target = tensors(direction), target_shapes(direction)
    for t in PLAN.transfers:
        name, shape = t.target(direction)
        without = {other: s for other, s in target.items() if other != name}
        [finding] = check(PLAN, direction, source, without)
        assert (finding.code, finding.name) == (Code.MISSING, name)
        assert finding.detail == f"the target has no such tensor, signbart.yaml:{t.line}"
        found = check(PLAN, direction, source, target | {name: (*shape, 1)})
        detail = f"expected {shape}, the target has {(*shape, 1)}, signbart.yaml:{t.line}"
        assert found == [Finding(Code.SHAPE, name, detail)]
    found = check(PLAN, direction, source, target | {"head/scale": (3,)})
    assert found == [Finding(Code.UNFILLED, "head/scale")]


@DIRECTIONS
def test_everything_wrong_is_found_at_once(direction):
    source, target = tensors(direction), target_shapes(direction)
    a, b, c, d, *_ = source
    renamed, reshaped, *_ = target
    source[f"{a}_"] = source.pop(a)
    source[b] = np.full((2, 2), np.nan, np.float32)
    source[c] = source[c].astype(np.int32)
    source[d] = source[d] * np.float32(np.inf)
    target["other"] = target.pop(renamed)
    target[reshaped] = (7, 7, 7)
    assert sorted(code.name for code, _ in codes(check(PLAN, direction, source, target))) == [
        "DTYPE",
        "MISSING",
        "MISSING",
        "NONFINITE",
        "NONFINITE",
        "SHAPE",
        "SHAPE",
        "UNFILLED",
        "UNMAPPED",
    ]


@DIRECTIONS
def test_two_swapped_tensors_of_one_shape_pass_the_check_and_fail_the_comparison(direction):
    source = tensors(direction)
    written = dict(transfer.apply(PLAN, direction, source))
    assert compare(PLAN, direction, source, written) == []
    by_shape = {}
    for name, array in written.items():
        by_shape.setdefault(array.shape, []).append(name)
    pairs = [pair for names in by_shape.values() for pair in pairwise(names)]
    assert len(pairs) > 100
    names = {t.target(direction)[0]: t.source(direction)[0] for t in PLAN.transfers}
    for a, b in pairs:
        one, other = names[a], names[b]
        assert check(PLAN, direction, source | {one: source[other], other: source[one]}) == []
        found = compare(PLAN, direction, source, written | {a: written[b], b: written[a]})
        assert {(f.code, f.name, f.detail) for f in found} == {
            (Code.VALUE, a, f"from {one}"),
            (Code.VALUE, b, f"from {other}"),
        }


@DIRECTIONS
def test_a_tensor_that_is_not_transposed_fails_the_comparison(direction):
    source = tensors(direction)
    written = dict(transfer.apply(PLAN, direction, source))
    turned = [t for t in PLAN.transfers if len(t.torch_shape) == 2 and "embed" not in t.torch]
    square = [t for t in turned if len(set(t.torch_shape)) == 1]
    assert len(turned) == 2 + 2 * 6 + 3 * 10 + 1 and len(square) == 2 * 4 + 3 * 8
    for t in turned:
        after = t.target(direction)[0]
        found = compare(PLAN, direction, source, written | {after: source[t.source(direction)[0]]})
        assert codes(found) == [(Code.VALUE, after)]


@DIRECTIONS
def test_one_flipped_bit_or_a_lost_tensor_fails_the_comparison(direction):
    source = tensors(direction)
    written = {k: np.array(v) for k, v in transfer.apply(PLAN, direction, source)}
    for name, array in written.items():
        bits = array.copy()
        bits.view(np.uint32).flat[-1] ^= 1
        found = compare(PLAN, direction, source, written | {name: bits})
        assert codes(found) == [(Code.VALUE, name)]
    lost, _ = written.popitem()
    assert codes(compare(PLAN, direction, source, written)) == [(Code.MISSING, lost)]


def test_the_summary_folds_layers():
    source = tensors(TO_KERAS)
    for i in range(2):
        del source[f"encoder.layers.{i}.fc1.weight"]
    for i in (0, 2):
        source[f"decoder.layers.{i}.fc1.bias"][:] = np.nan
    del source["decoder.layers.1.fc2.bias"]
    line = {t.torch: t.line for t in PLAN.transfers}
    assert summary(check(PLAN, TO_KERAS, source)) == (
        "MISSING encoder.layers.{0..1}.fc1.weight: the mapping asks for it, and it is not there"
        f" (signbart.yaml:{line['encoder.layers.0.fc1.weight']}); "
        "MISSING decoder.layers.1.fc2.bias: the mapping asks for it, and it is not there"
        f" (signbart.yaml:{line['decoder.layers.1.fc2.bias']}); "
        "NONFINITE decoder.layers.{0,2}.fc1.bias: holds NaN or infinity (10 of 10 values)"
    )
    keras = [Finding(Code.UNFILLED, f"decoder/layers.{i}/fc1/bias") for i in range(3)]
    assert summary(keras) == (
        "UNFILLED decoder/layers.{0..2}/fc1/bias: no rule of the mapping writes it"
    )


def test_the_summary_folds_only_what_is_equal():
    different = [
        Finding(Code.SHAPE, "encoder.layers.0.fc1.bias", "expected (3,)"),
        Finding(Code.SHAPE, "encoder.layers.1.fc1.bias", "expected (4,)"),
        Finding(Code.DTYPE, "encoder.layers.0.fc1.bias", "expected (3,)"),
    ]
    assert summary(different).count("; ") == 2
    twice = [Finding(Code.DTYPE, f"encoder.layers.{i}.fc1.bias") for i in (0, 0, 1, 1)]
    assert "encoder.layers.{0..1}.fc1.bias" in summary(twice)


def test_the_summary_counts_what_it_leaves_out_and_stays_on_one_line():
    many = [Finding(Code.UNMAPPED, f"a\n\x1b[31m{i}" + "x" * 1000) for i in range(7)]
    said = summary(many)
    assert said.endswith("; and 3 more")
    assert said.count("UNMAPPED") == 4
    assert said.isprintable() and len(said) < 2000
    assert summary(many[:4]).count(";") == 3 and "more" not in summary(many[:4])
