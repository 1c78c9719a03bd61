"""Drafts of mappings from the names and shapes of two models."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from signbart_port import transfer
from signbart_port.transfer import Direction, Shapes
from signbart_port.transfer.suggest.live import Draft, Kept, draft

Sizes = Mapping[str, tuple[int, ...]]
LINEAR = {"weight": (8, 5), "bias": (8,)}
DENSE = {"kernel": (5, 8), "bias": (8,)}


def made(torch: Sizes, keras: Sizes, classes: Mapping[str, str] = {}, integers=()) -> Draft:
    sides = [{n: Kept(s, n not in integers) for n, s in side.items()} for side in (torch, keras)]
    return draft(*sides, classes)


def lines(found: Draft) -> list[tuple[str, str, str]]:
    return [(line.torch, line.keras, line.kind) for line in found.lines]


def within(path: str, tensors: Sizes, joint: str = ".") -> dict[str, tuple[int, ...]]:
    return {f"{path}{joint}{leaf}": shape for leaf, shape in tensors.items()}


def complete(found: Draft, torch: Sizes, keras: Sizes, tmp_path) -> list[str]:
    """Return the ops of a plan with the draft, which has to be complete."""
    (path := tmp_path / "draft.yaml").write_text(found.text("draft"))
    mapping, shapes = transfer.load(path), Shapes(torch, keras)
    plan = transfer.plan(mapping, transfer.sizes_from_shapes(mapping, torch, keras), shapes)
    tensors = {
        name: np.zeros(shape, np.int64 if name in found.ignored[0] else np.float32)
        for name, shape in torch.items()
    }
    assert not transfer.check(plan, Direction.TORCH_TO_KERAS, tensors, keras)
    return [one.op.name for one in plan.transfers]


@pytest.mark.parametrize(
    ("weight", "kernel", "op"),
    [
        ((8, 5), (5, 8), "transpose"),
        ((5, 8), (5, 8), "identity"),
        ((8, 5), (5, 4, 2), "(heads width) in -> in heads width"),
        ((5, 8), (4, 2, 5), "out (heads width) -> heads width out"),
        ((8, 5, 3), (3, 5, 8), "transpose"),
        ((8, 5, 3, 2), (3, 2, 5, 8), "out in y x -> y x in out"),
        ((8, 1, 3), (3, 8, 1), "channel 1 step -> step channel 1"),
        ((8, 1, 3, 3), (3, 3, 4, 2), "(channel times) 1 y x -> y x channel times"),
        ((8, 5, 1, 1), (5, 8), "out in 1 1 -> in out"),
        ((8, 5, 2, 3, 4), (2, 3, 4, 5, 8), "out in z y x -> z y x in out"),
    ],
)
def test_the_shapes_tell_how_a_kernel_moves(weight, kernel, op, tmp_path):
    torch, keras = {"a.weight": weight}, {"b/kernel": kernel}
    found = made(torch, keras)
    assert not found.guesses
    assert complete(found, torch, keras, tmp_path) == [op]


@pytest.mark.parametrize(
    ("of_class", "axes", "guess"),
    [
        ("Linear", "out in -> in out", False),
        ("Conv1D", "in out", False),
        ("MyProjection", "out in -> in out", True),
        ("", "out in -> in out", True),
    ],
)
def test_only_the_class_tells_whether_a_square_kernel_is_transposed(of_class, axes, guess):
    found = made({"a.weight": (8, 8)}, {"b/kernel": (8, 8)}, {"a": of_class})
    assert f"axes: {axes}}}" in found.text("x")
    assert bool(found.guesses) == guess == ("guess: true}  # a guess: a square" in found.text("x"))


def test_a_bias_that_one_side_lacks_is_filled_and_a_guess(tmp_path):
    for torch, keras, line in (
        ({"a.weight": (8, 5)}, within("b", DENSE, "/"), "{keras: bias, axes: out, fill: 0}"),
        (within("a", LINEAR), {"b/kernel": (5, 8)}, "{torch: bias, axes: out, fill: 0}"),
    ):
        found = made(torch, keras)
        assert line in found.text("x") and found.guesses == 1
        complete(found, torch, keras, tmp_path)


def test_a_fused_projection_is_split_and_its_order_a_guess():
    keras = {f"att/{name}/kernel": (6, 2, 3) for name in ("query", "key", "value")}
    found = made({"att.in_proj_weight": (18, 6)}, keras, {"att": "MultiheadAttention"})
    assert lines(found) == [("att", "att", "three_to_heads")] and not found.guesses
    found = made({"att.qkv.weight": (18, 6)}, keras, {"att.qkv": "Linear"})
    assert lines(found) == [("att.qkv", "att", "three_to_heads")]
    assert (
        found.lines[0].doubt == "a guess: query, key and value in one: in this order, or in another"
    )


def test_three_projections_are_joined_where_keras_has_one(tmp_path):
    torch = {f"att.{name}.weight": (6, 5) for name in ("q_proj", "k_proj", "v_proj")}
    keras = {"att/qkv/kernel": (5, 18)}
    found = made(torch, keras)
    assert lines(found) == [("att", "att/qkv", "three_linear")] and found.guesses == 1
    complete(found, torch, keras, tmp_path)


def test_layers_become_one_rule_however_they_are_counted(tmp_path):
    torch = {k: s for n in range(3) for k, s in within(f"blocks.{n}.up", LINEAR).items()}
    torch |= {k: s for n in range(3) for k, s in within(f"blocks.{n}.n", {"weight": (5,)}).items()}
    keras = {k: s for n in range(1, 4) for k, s in within(f"b_{n}/up", DENSE, "/").items()}
    keras |= {
        k: s for n in range(1, 4) for k, s in within(f"b_{n}/n", {"scale": (5,)}, "/").items()
    }
    found = made(torch, keras)
    assert lines(found) == [
        ("blocks.{layer}.up", "b_{layer}/up", "linear"),
        ("blocks.{layer}.n", "b_{layer}/n", "norm"),
    ]
    assert "layer: {range: layers, keras_from: 1}" in found.text("x")
    complete(found, torch, keras, tmp_path)
    gaps = {name.replace("blocks.2", "blocks.4"): shape for name, shape in torch.items()}
    found = made(gaps, keras)
    assert 'layer: {torch: ["0", "1", "4"], keras: ["1", "2", "3"]}' in found.text("x")
    complete(found, gaps, keras, tmp_path)


def test_layers_of_one_side_alone_are_written_out():
    torch = {k: s for n in range(2) for k, s in within(f"l.{n}.up", LINEAR).items()}
    keras = within("first/up", DENSE, "/") | within("second/up", DENSE, "/")
    found = made(torch, keras)
    assert [line[:2] for line in lines(found)] == [("l.0.up", "first/up"), ("l.1.up", "second/up")]
    assert found.guesses == 2


def test_where_the_order_contradicts_a_name_the_line_is_a_guess():
    torch = {"a.input_norm.weight": (5,), "a.my_attention_norm.weight": (5,)}
    keras = {"a/attention_norm/scale": (5,), "a/feedforward_norm/scale": (5,)}
    found = made(torch, keras)
    assert found.guesses == 2 and "its name says one place, its order another" in found.text("x")


def test_a_norm_after_the_attention_is_not_that_of_the_attention():
    torch = {"a.input_layernorm.weight": (5,), "a.post_attention_layernorm.weight": (5,)}
    keras = {"a/self_attention_layernorm/scale": (5,), "a/feedforward_layernorm/scale": (5,)}
    found = made(torch, keras)
    assert [(torch, keras) for torch, keras, _ in lines(found)] == [
        ("a.input_layernorm", "a/self_attention_layernorm"),
        ("a.post_attention_layernorm", "a/feedforward_layernorm"),
    ]
    assert found.guesses == 2


@pytest.mark.parametrize("bias", [8, None])
def test_the_bias_tells_a_transposed_convolution(bias, tmp_path):
    torch, keras = {"a.weight": (12, 8, 4, 3)}, {"b/kernel": (4, 3, 8, 12)}
    if bias:
        torch["a.bias"], keras["b/bias"] = (bias,), (bias,)
    found = made(torch, keras)
    op = "out in y x -> y x in out" if bias is None else "in out y x -> y x out in"
    assert complete(found, torch, keras, tmp_path) == [op, *(["identity"] if bias else [])]


def test_blocks_that_differ_are_paired_block_by_block():
    norm, gains = {"weight": (8,), "bias": (8,)}, {"gamma": (8,), "beta": (8,)}
    torch = within("l.0.up", LINEAR) | within("l.0.n", norm) | within("l.1.n", norm)
    keras = within("b1/up", DENSE, "/") | within("b1/n", gains, "/") | within("b2/n", gains, "/")
    found = made(torch, keras)
    assert [line[:2] for line in lines(found)] == [
        ("l.0.up", "b1/up"),
        ("l.0.n", "b1/n"),
        ("l.1.n", "b2/n"),
    ]
    assert not found.guesses


def test_leftovers_are_ignored_with_a_reason_or_left_to_a_person(tmp_path):
    torch = within("a", LINEAR) | {"n.num_batches_tracked": (), "pos.position_ids": (1, 4)}
    torch |= {"att.bias": (1, 1, 4, 4), "mine.table": (7, 3)}
    keras = within("a", DENSE, "/") | {"drop/seed_generator_state": (2,), "scale/count": ()}
    keras |= {"scale/mean": (5,)}
    integers = ("n.num_batches_tracked", "pos.position_ids", "att.bias")
    found = made(torch, keras, integers=(*integers, "drop/seed_generator_state", "scale/count"))
    assert set(found.ignored[0]) == set(integers) and all(found.ignored[0].values())
    assert set(found.ignored[1]) == {"drop/seed_generator_state", "scale/count"}
    assert list(found.unplaced) == ["mine.table"] and list(found.unfilled) == ["scale/mean"]
    text = found.text("x")
    assert '#   - {match: "mine.table", why: "..."}  # 7×3' in text
    assert '#   - {match: "scale/mean", why: "..."}  # 5' in text
    del torch["mine.table"], keras["scale/mean"]
    complete(found, torch, keras, tmp_path)


def test_names_that_no_mapping_can_spell_have_no_place():
    found = made({"a.{b}.weight": (8, 5)}, {"a/kernel": (5, 8)})
    assert not found.lines and list(found.unplaced) == ["a.{b}.weight"]


def test_what_fits_nothing_is_a_file_that_can_be_read(tmp_path):
    (path := tmp_path / "draft.yaml").write_text(made({"a.weight": (8, 5)}, {}).text("true"))
    assert transfer.load(path).rules == ()
