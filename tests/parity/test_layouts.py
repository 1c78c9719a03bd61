"""Layers of other layouts than those of their modules, in pairs of any kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

import signbart_port
from signbart_port import Case, Pair, Tap
from signbart_port.parity.keras_pairs import merged
from signbart_port.parity.workers.torch_perturbed import perturb

MAPPING = """
schema: 2
family: heads
kinds:
  in:
    - {torch: weight, keras: kernel, axes: (heads size) in -> in heads size}
    - {torch: bias, keras: bias, axes: (heads size) -> heads size}
  out:
    - {torch: weight, keras: kernel, axes: out (heads size) -> heads size out}
    - {torch: bias, keras: bias, axes: out}
modules:
  - {torch: q, keras: q, kind: in}
  - {torch: out, keras: out, kind: out}
"""


@pytest.mark.parametrize(
    ("keras_shape", "torch_shape"),
    [
        ((2, 5, 3, 4), (2, 5, 12)),
        ((2, 5, 1, 4), (2, 5, 4)),
        ((2, 5, 3, 1), (2, 5, 3)),
        ((2, 3, 3, 1), (2, 3, 3)),
        ((1, 1, 1, 1), (1, 1, 1)),
    ],
)
def test_heads_are_merged(keras_shape: tuple[int, ...], torch_shape: tuple[int, ...]) -> None:
    output = np.arange(np.prod(keras_shape), dtype=float)
    got = merged(output.reshape(keras_shape), torch_shape)
    np.testing.assert_array_equal(got, output.reshape(torch_shape))


@pytest.mark.parametrize("shape", [(2, 5, 11), (2, 12, 5), (2, 5, 3, 4), (10, 12, 2)])
def test_what_is_no_merging_stays(shape: tuple[int, ...]) -> None:
    output = np.zeros((2, 5, 3, 4))
    assert merged(output, shape) is output


class Heads(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.out = torch.nn.Linear(4, 6), torch.nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.q(x))


class Named(Pair):
    def taps(self, config: Any) -> Mapping[str, Tap]:
        return {"*": Tap("batch time channel")}

    def call_keras(self, model: Any, inputs: Mapping[str, Any]) -> Any:
        return model(inputs["x"], training=False)


def models(folder: Path) -> tuple[Path, torch.nn.Module, keras.Model]:
    (mapping := folder / "heads.yaml").write_text(MAPPING)
    x = keras.Input((None, 4))
    q = keras.layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de", name="q")(x)
    out = keras.layers.EinsumDense("abcd,cde->abe", (None, 5), bias_axes="e", name="out")(q)
    module, model = perturb(Heads()), keras.Model(x, out)
    signbart_port.transfer_weights(module, model, mapping=mapping)
    return mapping, module, model


def test_positions_that_do_not_count_are_left_out_of_every_output(tmp_path: Path) -> None:
    mapping, *both = models(tmp_path)
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    counted = np.array([[True, True, True], [True, False, False]])
    other = np.where(counted[..., None], x, 7)
    case = Case("padded", {"x": x}, {"x": other}, {"time": counted})
    report = signbart_port.prove(*both, mapping=mapping, cases=case, pair=Named())
    assert report.passed, report.verdict()
    assert [row.elements for row in report.rows] == [4 * 6, 4 * 5, 4 * 5]
    whole = Case("whole", {"x": x}, {"x": other})
    assert not signbart_port.prove(*both, mapping=mapping, cases=whole, pair=Named()).passed


def test_what_takes_heads_is_run_alone(tmp_path: Path) -> None:
    mapping, module, model = models(tmp_path)
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    case = Case("clip", {"x": x}, {"x": x})
    report = signbart_port.prove(module, model, mapping=mapping, cases=case, pair=Named())
    assert report.passed and [row.tap for row in report.isolated] == ["q", "out"]
    layer = model.get_layer("out")
    layer.kernel.assign(layer.kernel.numpy()[::-1])
    report = signbart_port.prove(module, model, mapping=mapping, cases=case, pair=Named())
    assert report.blame and report.blame.module == "out"


class Table(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.table(torch.arange(x.shape[1])[None])


def test_positions_of_all_examples_are_those_of_each(tmp_path: Path) -> None:
    (mapping := tmp_path / "table.yaml").write_text(
        "schema: 2\nfamily: table\nkinds:\n  table:\n"
        "    - {torch: weight, keras: embeddings, axes: rows width}\n"
        "modules:\n  - {torch: table, keras: table, kind: table}\n"
    )
    x, ids = keras.Input((None, 4), name="x"), keras.Input((None,), name="ids", dtype="int32")
    table = keras.layers.Embedding(5, 4, name="table")(ids)
    module = perturb(Table())
    model = keras.Model({"x": x, "ids": ids}, keras.layers.Add()([x, table]))
    signbart_port.transfer_weights(module, model, mapping=mapping)
    clips = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    for numbers, taps in ([0, 1, 2], ["table", "logits"]), ([0, 1, 1], ["logits"]):
        positions = np.array([[0, 1, 2], numbers], np.int32)
        case = Case("clips", {"x": clips}, {"x": clips, "ids": positions})
        report = signbart_port.prove(module, model, mapping=mapping, cases=case)
        assert [row.tap for row in report.rows] == taps
        assert report.passed == ("table" in taps)
