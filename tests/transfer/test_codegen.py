"""Converters that are written from mappings do what the mappings do, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from signbart_port import transfer
from signbart_port.errors import PortError
from signbart_port.transfer.codegen import converter
from tests.transfer.test_operations import EXACT, LOSSY, same, written

Arrays = dict[str, np.ndarray]


class Variable:
    """A variable of Keras."""

    def __init__(self, path: str, shape: tuple[int, ...]) -> None:
        self.path, self.shape, self.value = path, shape, np.empty(0)

    def assign(self, value: np.ndarray) -> None:
        assert value.shape == self.shape
        self.value = np.array(value, np.float32)


class Loader:
    """keras-hub's `SafetensorLoader`, of arrays."""

    def __init__(self, tensors: Arrays) -> None:
        self.get_tensor = tensors.__getitem__

    def port_weight(self, keras_variable: Any, hf_weight_key: str, hook_fn: Any = None) -> None:
        tensor = self.get_tensor(hf_weight_key)
        if hook_fn:
            tensor = hook_fn(tensor, list(keras_variable.shape))
        keras_variable.assign(tensor)


def ported(source: str, torch: Arrays, shapes: dict[str, tuple], **attributes: int) -> Arrays:
    """Run a converter; return the variables that it has written."""
    scope: dict[str, Any] = {}
    exec(compile(source, "converter", "exec"), scope)
    variables = [Variable(path, shape) for path, shape in shapes.items()]
    backbone = SimpleNamespace(weights=variables, **attributes)
    scope["convert_weights"](backbone, Loader(torch), {})
    return {variable.path: variable.value for variable in variables}


@pytest.mark.parametrize("name", [*EXACT, *LOSSY])
def test_an_operation(tmp_path: Path, name: str) -> None:
    lines, torch, keras = (EXACT | LOSSY)[name][:3]
    torch = {f"a.{n}": np.ascontiguousarray(array) for n, array in torch.items()}
    keras = {f"b/{n}": np.ascontiguousarray(array) for n, array in keras.items()}
    source = converter(transfer.load(written(tmp_path, lines)))
    shapes = {path: array.shape for path, array in keras.items()}
    assert same(ported(source, torch, shapes), keras)


LOOPS = """\
schema: 2
family: mine
axes:
  layer: {range: layers, from: 2, keras_from: 1}
  for: {torch: [q, k], keras: [query, key]}
  word: [one]
kinds:
  kind: [{torch: 'w{layer}', keras: 'k{layer}', axes: width}]
  own: [{torch: w, keras: k, axes: width}]
modules:
  - {torch: 'a.{word}.{for}', keras: 'b/{word}/{for}', kind: kind}
  - {torch: ., keras: ., kind: own}
  - {path: own, kind: own}
"""


def test_names_and_loops(tmp_path: Path) -> None:
    (path := tmp_path / "mine.yaml").write_text(LOOPS)
    mapping = transfer.load(path)
    names = [f"a.one.{one}.w{layer}" for one in "qk" for layer in (2, 3)]
    shapes = transfer.Shapes(dict.fromkeys([*names, "w", "own.w"], (3,)), {})
    plan = transfer.plan(mapping, {"layers": 2}, shapes)
    torch = {t.torch: np.float32([n, 1, 2]) for n, t in enumerate(plan.transfers)}
    expected = dict(transfer.apply(plan, transfer.Direction.TORCH_TO_KERAS, torch))
    assert len(expected) == 6 and "b/one/query/k1" in expected and "a.one.q.w2" in torch
    source = converter(mapping)
    assert same(ported(source, torch, dict.fromkeys(expected, (3,)), num_layers=2), expected)


def test_no_text_of_a_mapping_becomes_code(tmp_path: Path) -> None:
    strange = 'a"+print(1)+f"\\\n\r𝄞\'\'\'"""'
    mapping = transfer.load(written(tmp_path, "{torch: w, keras: k, axes: width}"))
    rule = replace(mapping.rules[0], torch=strange, keras=strange, kind=strange)
    mapping = replace(mapping, rules=(rule,), path=Path(strange))
    torch = {f"{strange}.w": np.float32([1, 2])}
    found = ported(converter(mapping), torch, {f"{strange}/k": (2,)})
    assert found[f"{strange}/k"].tolist() == [1, 2]


def test_tensors_that_differ_where_keras_has_one_are_refused(tmp_path: Path) -> None:
    lines = "{torch: w, axes: width, fill: 0}\n{torch: [e, f], keras: k, axes: width, tie: true}"
    source = converter(transfer.load(written(tmp_path, lines)))
    torch = {"a.w": np.float32([0, 0]), "a.e": np.float32([1, 2]), "a.f": np.float32([1, 2])}
    one_name = {name: array for name, array in torch.items() if name != "a.e"}
    assert ported(source, one_name, {"b/k": (2,)})["b/k"].tolist() == [1, 2]
    for name, error in (("a.w", "is not 0.0"), ("a.f", "a.f and a.e differ")):
        with pytest.raises(ValueError, match=error):
            ported(source, torch | {name: np.float32([0, 3])}, {"b/k": (2,)})
    with pytest.raises(KeyError, match=r"a\.e"):
        ported(source, {"a.w": torch["a.w"]}, {"b/k": (2,)})


def test_what_no_shape_tells_is_refused_by_its_line(tmp_path: Path) -> None:
    lines = "{torch: w, keras: k, axes: (heads width) -> (width heads)}"
    with pytest.raises(PortError, match=r"mine\.yaml: line 5: no shape tells .* the axis heads"):
        converter(transfer.load(written(tmp_path, lines)))


def test_what_is_ignored_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, "{torch: w, keras: k, axes: width}")
    ignore = (
        "ignore:\n  torch: [{match: a.x, why: a counter}]\n  keras: [{match: b/s, why: 'a\tseed'}]"
    )
    path.write_text(path.read_text() + ignore)
    source = converter(transfer.load(path))
    assert "# Not read: a.x: a counter\n" in source and "# As it was: b/s: a" in source
    assert ported(source, {"a.w": np.float32([1])}, {"b/k": (1,)})["b/k"].tolist() == [1]


def test_a_guess_is_refused(tmp_path: Path) -> None:
    lines = "{torch: w, keras: k, axes: width}"
    with pytest.raises(PortError, match="is a guess"):
        converter(transfer.load(written(tmp_path, lines, "guess: true")))
