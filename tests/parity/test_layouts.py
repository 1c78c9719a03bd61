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
from signbart_port.parity.report import Evidence, Report
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


class Images(torch.nn.Module):
    """Normalizes channels that come second, by groups and as a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 2, stride=2)
        self.groups = torch.nn.GroupNorm(2, 4)
        self.norm = FirstChannels(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.groups(self.conv(x)))


class FirstChannels(torch.nn.LayerNorm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


IMAGES = """
schema: 2
family: images
kinds:
  conv:
    - {torch: weight, keras: kernel, axes: out in y x -> y x in out}
    - {torch: bias, keras: bias, axes: out}
  norm:
    - {torch: weight, keras: gamma, axes: width}
    - {torch: bias, keras: beta, axes: width}
modules:
  - {path: conv, kind: conv}
  - {path: groups, kind: norm}
  - {path: norm, kind: norm}
"""


class Channels(Pair):
    def __init__(self, declared: str) -> None:
        self.declared = declared

    def taps(self, config: Any) -> Mapping[str, Tap]:
        last = Tap("batch channel y x", "batch y x channel")
        return {"logits": last, self.declared: last}


def of_images(folder: Path, declared: str, wrong: bool = False) -> Report:
    (mapping := folder / "images.yaml").write_text(IMAGES)
    given = keras.Input((8, 10, 3))
    x = keras.layers.Conv2D(4, 2, 2, name="conv")(given)
    x = keras.layers.GroupNormalization(2, epsilon=1e-3 if wrong else 1e-5, name="groups")(x)
    x = keras.layers.LayerNormalization(epsilon=1e-5, name="norm")(x)
    module, model = perturb(Images()), keras.Model(given, x)
    signbart_port.transfer_weights(module, model, mapping=mapping)
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 10)).astype(np.float32)
    case = Case("images", {"x": x}, {"x": np.moveaxis(x, 1, -1)})
    pair = Channels(declared)
    return signbart_port.prove(module, model, mapping=mapping, cases=case, pair=pair)


@pytest.mark.parametrize("declared", ["norm", "*"])
def test_what_is_declared_is_also_fed_in_the_order_of_keras(tmp_path: Path, declared: str) -> None:
    report = of_images(tmp_path, declared)
    assert report.passed, report.verdict()
    assert [row.tap for row in report.isolated] == ["conv", "groups", "norm"]
    blame = of_images(tmp_path, declared, wrong=True).blame
    assert blame and (blame.module, blame.evidence) == ("groups", Evidence.ISOLATED)


def test_an_output_in_an_order_that_nobody_declares_is_left_out_and_named(tmp_path: Path) -> None:
    report = of_images(tmp_path, "nothing")
    assert report.passed, report.verdict()
    assert [row.tap for row in report.isolated] == ["conv", "groups"]
    assert [note for note in report.notes if "another order" in note] == [
        "the axes of norm have another order in Keras, such as (2, 4, 5, 4) for (2, 4, 4, 5):"
        " the pair's taps can name both orders"
    ]
