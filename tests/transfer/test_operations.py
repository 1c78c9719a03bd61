"""What a mapping of schema 2 does to tensors, there and back."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from signbart_port import transfer
from signbart_port.errors import PortError
from signbart_port.transfer import Code, Direction, Shapes
from signbart_port.transfer.losses import losses, sentences

THERE, BACK = Direction.TORCH_TO_KERAS, Direction.KERAS_TO_TORCH
RNG = np.random.default_rng(0)


def numbered(*shape: int) -> np.ndarray:
    return np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(shape)


def written(tmp_path: Path, tensors: str, rule: str = "") -> Path:
    """A mapping with one kind, whose tensors are given, of one module."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "schema: 2\nfamily: mine\nkinds:\n  kind:\n"
        + "".join(f"    - {line}\n" for line in tensors.splitlines())
        + f"modules:\n  - {{torch: a, keras: b, kind: kind{rule and ', '}{rule}}}\n"
    )
    return path


def shapes_of(torch: dict, keras: dict) -> Shapes:
    return Shapes(
        {name: array.shape for name, array in torch.items()},
        {name: array.shape for name, array in keras.items()},
    )


def moved(path: Path, torch: dict, keras: dict, sizes: dict | None = None) -> dict:
    """Move tensors to Keras and back; return what the way back wrote."""
    mapping = transfer.load(path)
    plan = transfer.plan(mapping, sizes or {}, shapes_of(torch, keras))
    targets = {name: array.shape for name, array in keras.items()}
    assert not transfer.check(plan, THERE, torch, targets)
    got = dict(transfer.apply(plan, THERE, torch))
    assert got.keys() == keras.keys()
    for name, expected in keras.items():
        np.testing.assert_array_equal(got[name], expected, err_msg=name)
    assert not transfer.compare(plan, THERE, torch, got)
    for name in got:  # one bit
        wrong = got[name].copy()
        wrong.reshape(-1).view("u4")[-1] ^= 1
        assert [f.code for f in transfer.compare(plan, THERE, torch, got | {name: wrong})] == [
            Code.VALUE
        ]
    assert not transfer.check(plan, BACK, got, {n: a.shape for n, a in torch.items()})
    back = dict(transfer.apply(plan, BACK, got))
    assert not transfer.compare(plan, BACK, got, back)
    return back


def same(got: dict, expected: dict) -> bool:
    return got.keys() == expected.keys() and all(
        transfer.same_bits(np.ascontiguousarray(got[n]), expected[n]) for n in expected
    )


W, B = numbered(6, 4), numbered(6)
EXACT = {
    "identity": ("{torch: w, keras: k, axes: out in}", {"w": W}, {"k": W}),
    "transpose": ("{torch: w, keras: k, axes: out in -> in out}", {"w": W}, {"k": W.T}),
    "conv": (
        "{torch: w, keras: k, axes: out in x y -> x y in out}",
        {"w": numbered(5, 4, 3, 2)},
        {"k": numbered(5, 4, 3, 2).transpose(2, 3, 1, 0)},
    ),
    "depthwise": (
        "{torch: w, keras: k, axes: channel 1 x y -> x y channel 1}",
        {"w": numbered(5, 1, 3, 3)},
        {"k": numbered(5, 1, 3, 3)[:, 0].transpose(1, 2, 0)[..., None]},
    ),
    "heads": (
        "{torch: w, keras: k, axes: (heads width) in -> in heads width}",
        {"w": W},
        {"k": W.T.reshape(4, 2, 3)},
    ),
    "split": (
        "{torch: w, keras: [q, k, v], axes: out in -> in out, concat: 0}",
        {"w": W},
        {"q": W[:2].T, "k": W[2:4].T, "v": W[4:].T},
    ),
    "split along the second axis": (
        "{torch: w, keras: [q, k], axes: in out, concat: 1}",
        {"w": W},
        {"q": W[:, :2], "k": W[:, 2:]},
    ),
    "split into heads": (
        "{torch: w, keras: [q, k, v], axes: (heads width) in -> in heads width, concat: 0}",
        {"w": numbered(18, 4)},
        {
            n: numbered(18, 4)[i : i + 6].T.reshape(4, 2, 3)
            for n, i in zip("qkv", (0, 6, 12), strict=True)
        },
    ),
    "unequal split": (
        "{torch: w, keras: [q, k, v], axes: (heads width) in -> in heads width, concat: 0}",
        {"w": numbered(8, 4)},
        {
            n: numbered(8, 4)[a:b].T.reshape(4, -1, 2)
            for n, a, b in (("q", 0, 4), ("k", 4, 6), ("v", 6, 8))
        },
    ),
    "concat": (
        "{torch: [q, k], keras: w, axes: out in -> in out, concat: 1}",
        {"q": W, "k": -W[:3]},
        {"w": np.concatenate([W, -W[:3]]).T},
    ),
    "stack": (
        "{torch: [i, h], keras: b, axes: width, stack: 0}",
        {"i": B, "h": -B},
        {"b": np.stack([B, -B])},
    ),
    "stack of gates": (
        "{torch: [i, h], keras: b, axes: (gate width), stack: 0, order: {gate: [1, 0, 2]}}",
        {"i": B, "h": -B},
        {"b": np.stack([B, -B])[:, [2, 3, 0, 1, 4, 5]]},
    ),
    "gates": (
        "{torch: w, keras: k, axes: (gate width) in -> in (gate width), order: {gate: [2, 0, 1]}}",
        {"w": W},
        {"k": W[[4, 5, 0, 1, 2, 3]].T},
    ),
    "tie in PyTorch": (
        "{torch: [e, head], keras: k, axes: rows width, tie: true}",
        {"e": W, "head": W.copy()},
        {"k": W},
    ),
    "tie in Keras": (
        "{torch: e, keras: [k, head], axes: rows width, tie: true}",
        {"e": W},
        {"k": W, "head": W.copy()},
    ),
    "fill of Keras": (
        "{torch: w, keras: k, axes: width}\n{keras: b, axes: width, fill: 0}",
        {"w": B},
        {"k": B, "b": np.zeros(6, np.float32)},
    ),
    "fill of PyTorch": (
        "{torch: w, keras: k, axes: width}\n{torch: b, axes: width, fill: 1}",
        {"w": B, "b": np.ones(6, np.float32)},
        {"k": B},
    ),
}
HEADS = {"split into heads": "", "unequal split": ""}


@pytest.mark.parametrize("name", EXACT)
def test_an_operation_and_its_inverse(tmp_path, name):
    lines, torch, keras = EXACT[name]
    torch = {f"a.{n}": np.ascontiguousarray(array) for n, array in torch.items()}
    keras = {f"b/{n}": np.ascontiguousarray(array) for n, array in keras.items()}
    back = moved(written(tmp_path, lines), torch, keras)
    assert same(back, torch)


LOSSY = {
    "sum": (
        "{torch: [i, h], keras: b, axes: width, sum: true, lossy: the sum and zeros}",
        {"i": B, "h": 2 * B},
        {"b": 3 * B},
        {"i": 3 * B, "h": 0 * B},
        {"a.i": (6, 12.0), "a.h": (6, 12.0)},
    ),
    "cut": (
        "{torch: w, keras: k, axes: rows width, cut: {rows: [2, 1]}, lossy: zeros}",
        {"w": W},
        {"k": W[2:5]},
        {"w": np.pad(W[2:5], ((2, 1), (0, 0)))},
        {"a.w": (12, 24.0)},
    ),
    "add": (
        "{torch: w, keras: k, axes: width, add: 1, lossy: what is left of it}",
        {"w": np.float32([1e-9, 0.5])},
        {"k": np.float32([1, 1.5])},
        {"w": np.float32([0, 0.5])},
        {"a.w": (1, float(np.float32(1e-9)))},
    ),
}


@pytest.mark.parametrize("name", LOSSY)
def test_a_lossy_operation_writes_what_it_says(tmp_path, name):
    lines, torch, keras, expected, lost = LOSSY[name]
    torch = {f"a.{n}": array for n, array in torch.items()}
    keras = {f"b/{n}": np.ascontiguousarray(array) for n, array in keras.items()}
    path = written(tmp_path, lines)
    back = moved(path, torch, keras)
    assert same(back, {f"a.{n}": array for n, array in expected.items()})
    plan = transfer.plan(transfer.load(path), {}, shapes_of(torch, keras))
    found = {one.name: (one.values, one.largest) for one in losses(plan, torch)}
    assert found == lost
    (said,) = sentences(losses(plan, torch))
    assert said.startswith("a.") and said.endswith("(mine.yaml:7)")


def test_what_is_filled_or_tied_is_checked(tmp_path):
    lines = "{torch: w, axes: width, fill: 0}\n{torch: [e, f], keras: k, axes: width, tie: true}"
    mapping = transfer.load(written(tmp_path, lines))
    torch = {"a.w": np.float32([0, 0]), "a.e": np.float32([1, 2]), "a.f": np.float32([1, 2])}
    plan = transfer.plan(mapping, {}, shapes_of(torch, {}))

    def codes(**changed: np.ndarray) -> list[Code]:
        source = torch | {f"a.{n}": array for n, array in changed.items()}
        return [finding.code for finding in transfer.check(plan, THERE, source)]

    assert codes() == []
    assert codes(w=np.float32([0, 1])) == [Code.FILL]
    assert codes(f=np.float32([1, 3])) == [Code.TIED]
    assert codes(w=np.float32([0])) == [Code.SHAPE]
    one_name = {name: array for name, array in torch.items() if name != "a.e"}
    assert transfer.check(plan, THERE, one_name) == []  # safetensors keep one name of two
    assert dict(transfer.apply(plan, THERE, one_name))["b/k"].tolist() == [1, 2]
    none = {"a.w": torch["a.w"]}
    assert [f.code for f in transfer.check(plan, THERE, none)] == [Code.MISSING]


def test_every_tensor_of_both_sides_once(tmp_path):
    lines = "{torch: w, keras: [q, k], axes: half, concat: 0}\n{torch: w, keras: v, axes: whole}"
    mapping = transfer.load(written(tmp_path, lines, "half: 3, whole: 6"))
    plan = transfer.plan(mapping, {})
    found = transfer.check(plan, THERE, {"a.w": numbered(6), "a.x": B}, {"b/q": (3,), "b/z": (1,)})
    assert [(f.code, f.name) for f in found] == [
        (Code.DOUBLE_SOURCE, "a.w"),
        (Code.UNMAPPED, "a.x"),
        (Code.MISSING, "b/k"),
        (Code.MISSING, "b/v"),
        (Code.UNFILLED, "b/z"),
    ]


def test_sizes_from_both_models(tmp_path):
    """A size that PyTorch's tensors hold only in a product is told by Keras'."""
    lines = "{torch: w, keras: k, axes: (heads width) in -> in heads width}"
    mapping = transfer.load(written(tmp_path, lines, "heads: h, in: d"))
    torch, keras = {"a.w": (6, 4)}, {"b/k": (4, 2, 3)}
    assert transfer.sizes_from_shapes(mapping, torch) == {"d": 4}
    sizes = transfer.sizes_from_shapes(mapping, torch, keras)
    assert sizes == {"d": 4, "h": 2}
    (one,) = transfer.plan(mapping, sizes, Shapes(torch, keras)).transfers
    assert one.keras_shape == (4, 2, 3)
    with pytest.raises(PortError, match=r"mine.yaml: line 7: nothing tells .* axis width of a.w"):
        transfer.plan(mapping, {"d": 4, "h": 2})
    (one,) = transfer.plan(mapping, {"d": 4, "h": 2}, Shapes(torch, {})).transfers
    assert one.keras_shape == (4, 2, 3)


def test_each_side_counts_layers_from_a_number_of_its_own(tmp_path):
    (path := tmp_path / "mine.yaml").write_text(
        "schema: 2\nfamily: mine\naxes:\n  layer: {range: layers, from: 2, keras_from: 1}\n"
        "kinds:\n  kind:\n    - {torch: w, keras: k, axes: width}\n"
        "modules:\n  - {torch: 'a{layer}', keras: 'b{layer}', kind: kind}\n"
    )
    mapping = transfer.load(path)
    torch, keras = {"a2.w": (3,), "a3.w": (3,)}, {"b1/k": (3,), "b2/k": (3,)}
    assert transfer.sizes_from_shapes(mapping, torch, keras) == {"layers": 2}
    plan = transfer.plan(mapping, {"layers": 2}, Shapes(torch, keras))
    assert [(one.torch, one.keras) for one in plan.transfers] == [
        ("a2.w", "b1/k"),
        ("a3.w", "b2/k"),
    ]


def test_shares_of_several_sizes(tmp_path):
    lines = "{torch: w, keras: [q, k], axes: (heads width) in -> in heads width, concat: 0}"
    path = written(tmp_path, lines, "heads: [4, 2], width: 3, in: d")
    q, k = transfer.plan(transfer.load(path), {"d": 5}).transfers
    assert (q.torch_shape, q.keras_shape, k.keras_shape) == ((18, 5), (5, 4, 3), (5, 2, 3))
    assert k.torch_part == (slice(12, 18),)
    path.write_text(
        path.read_text().replace("modules:", "    - {torch: o, keras: o, axes: heads}\nmodules:")
    )
    with pytest.raises(PortError, match=r"line 8: heads must be one size, .*; o is one"):
        transfer.load(path)


REFUSED = {
    "lossy without saying so": ("{torch: [i, h], keras: b, axes: w, sum: true}", "sum loses val"),
    "lossy for nothing": ("{torch: i, keras: b, axes: w, lossy: x}", "nothing is lost here"),
    "twice": ("{torch: i, keras: b, axes: w w}", "the axis w is there twice"),
    "one side": ("{torch: i, keras: b, axes: v w -> w}", "the axis v is on one side only"),
    "brackets": ("{torch: i, keras: b, axes: (v w}", "its brackets do not match"),
    "arrows": ("{torch: i, keras: b, axes: v -> v -> v}", "more than one arrow"),
    "many axes": ("{torch: i, keras: b, axes: a b c d e f g h i}", "more than 8 axes"),
    "join": ("{torch: [i, h], keras: b, axes: w}", "several names on a side need one of concat"),
    "joins": ("{torch: [i, h], keras: b, axes: w, concat: 0, stack: 0}", "need one of concat"),
    "no list": ("{torch: i, keras: b, axes: w, concat: 0}", "and one name none"),
    "both": ("{torch: [i, h], keras: [b, c], axes: w, tie: true}", "several names on both sides"),
    "axis": ("{torch: i, keras: [b, c], axes: w, concat: 1}", "concat must be an axis of the one"),
    "axis of bool": ("{torch: i, keras: [b, c], axes: w, concat: true}", "concat must be an axis"),
    "sum of Keras": ("{torch: i, keras: [b, c], axes: w, sum: true, lossy: x}", "of PyTorch"),
    "order": ("{torch: i, keras: b, axes: (g w), order: {g: [0, 2]}}", "order must be one axis"),
    "order of none": ("{torch: i, keras: b, axes: w, order: {g: [1, 0]}}", "order must be one"),
    "cut": ("{torch: i, keras: b, axes: w, cut: {w: [0, 0]}, lossy: x}", "cut must be one axis"),
    "cut of none": ("{torch: i, keras: b, axes: w, cut: {v: [1, 0]}, lossy: x}", "cut must be"),
    "add": ("{torch: i, keras: b, axes: w, add: 0, lossy: x}", "adding 0 does nothing"),
    "add nan": ("{torch: i, keras: b, axes: w, add: .nan, lossy: x}", "line"),
    "fill of both": ("{torch: i, keras: b, axes: w, fill: 0}", "has a name on one side"),
    "same names": ("{torch: i, keras: [b, b], axes: w, tie: true}", "several different ones"),
    "old words": ("{torch: i, keras: b, dims: [w]}", "unknown key 'dims'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_by_its_line(tmp_path, name):
    line, said = REFUSED[name]
    with pytest.raises(PortError) as refused:
        transfer.load(written(tmp_path, line))
    assert "mine.yaml: line 5: " in str(refused.value) and said in str(refused.value)


def test_tensors_of_the_wrong_rank_are_findings(tmp_path):
    lines = "{torch: w, keras: k, axes: out in -> in out}"
    mapping = transfer.load(written(tmp_path, lines, "out: d, in: e"))
    torch, keras = {"a.w": numbered(2, 3, 4)}, {"b/k": (3, 2)}
    sizes = transfer.sizes_from_shapes(mapping, {"a.w": (2, 3, 4)}, keras)
    plan = transfer.plan(mapping, sizes, shapes_of(torch, {}))
    (finding,) = transfer.check(plan, THERE, torch, keras)
    assert finding.code is Code.SHAPE and "expected (2, 3), got (2, 3, 4)" in finding.detail


def test_placeholders_in_the_names_of_tensors(tmp_path):
    """The tensors of all layers of a torch.nn.LSTM are one module's; Keras' layers have others."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        """schema: 2
family: mine
axes:
  layer: {range: layers}
  way: {torch: ["", _reverse], keras: [forward, backward]}
kinds:
  lstm:
    - {torch: "weight_l{layer}{way}", keras: kernel, axes: out in -> in out}
modules:
  - {torch: rnn, keras: "lstm_{layer}/{way}", kind: lstm}
"""
    )
    mapping = transfer.load(path)
    torch = {f"rnn.weight_l{n}{way}": (2, 3) for n in (0, 1) for way in ("", "_reverse")}
    sizes = transfer.sizes_from_shapes(mapping, torch)
    assert sizes == {"layers": 2}
    plan = transfer.plan(mapping, sizes, Shapes(torch, {}))
    assert [(t.torch, t.keras) for t in plan.transfers] == [
        ("rnn.weight_l0", "lstm_0/forward/kernel"),
        ("rnn.weight_l0_reverse", "lstm_0/backward/kernel"),
        ("rnn.weight_l1", "lstm_1/forward/kernel"),
        ("rnn.weight_l1_reverse", "lstm_1/backward/kernel"),
    ]
    path.write_text(path.read_text().replace('"lstm_{layer}/{way}"', '"lstm_{layer}"'))
    with pytest.raises(PortError, match="line 10: torch and keras use different placeholders"):
        transfer.load(path)
    path.write_text(path.read_text().replace("[forward, backward]", "[forward]"))
    with pytest.raises(PortError, match="line 5: an axis needs as many different names"):
        transfer.load(path)


def test_the_table_of_the_docs(tmp_path):
    page = Path(__file__).parents[2] / "docs/mapping.md"
    lines = re.findall(r"\| `(\{.*\})` \|", page.read_text())
    assert len(lines) == 15
    for number, line in enumerate(lines):
        path = written(tmp_path, line)
        (rule,) = transfer.load(path).rules
        assert len(rule.leaves) + len(rule.fills) >= 1, number
