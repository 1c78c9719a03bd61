"""Integer files that keep some modules in float, to pass their gate."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from signbart_port.cli import main
from signbart_port.tflite import model_file, object_tree
from signbart_port.tflite_export import mixed_precision
from signbart_port.tflite_export.mixed_precision import Gain, Kept, search
from tests.support.framework_models import keras_model
from tests.support.small_models import Arrays, state_dict
from tests.support.trained_models import CONFIG, fit_head

pytestmark = pytest.mark.usefixtures("converter_here")

BAD, GOOD = "decoder/layernorm_embedding", "decoder/layers.0/activation_fn"


def hard_to_quantize() -> Arrays:
    """Of padding, the decoder's first LayerNorm is given next to nothing, of real frames a lot: in
    the steps that the factors 1/σ of padding ask for, those of real frames are 0."""
    arrays = state_dict(CONFIG.replace(decoder_layers=1))
    arrays["projection.proj_y1.weight"] *= 8
    arrays["projection.proj_y1.bias"] *= 0
    arrays["decoder.embed_positions.weight"] *= np.float32(1e-3)
    return arrays


@pytest.mark.release
def test_the_bad_module_is_kept(
    signs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Found among others, named, with what it costs; the rest are integers."""
    config = CONFIG.replace(decoder_layers=1)
    model = tmp_path / "model.h5"
    keras_model(config, fit_head(config, signs, hard_to_quantize())).save(model)
    found: list[str] = []

    def two_of_them(float_file: Path) -> list[str]:
        found.extend(mixed_modules(float_file))
        return [name for name in found if name in (BAD, GOOD)]

    mixed_modules = mixed_precision.modules
    monkeypatch.setattr(mixed_precision, "modules", two_of_them)  # each takes a second to measure
    arguments = ["tflite", model, "--quantization", "int8", "--calibration", signs]
    monkeypatch.setattr(sys, "argv", ["signbart-port", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 0, said.err
    assert f"in float {BAD}: +0.4 kB" in " ".join(said.out.split())

    assert len(found) == len(set(found)) == 12 and {BAD, GOOD} < set(found)
    assert all(name.startswith(("encoder/", "decoder/")) for name in found)
    file = model_file.read(tmp_path / "model.tflite")
    assert set(file.products) == {"INT8"}
    in_float = [
        operator
        for operator, kind in kinds(tmp_path / "model.tflite")
        if kind == "FLOAT32" and operator not in ("DEQUANTIZE", "GATHER", "TRANSPOSE")
    ]
    assert in_float.count("RSQRT") == 1 and file.ops["RSQRT"] > 3
    assert not {"GELU", "SOFTMAX"} & set(in_float)


def kinds(path: Path) -> list[tuple[str, str]]:
    """Each operator, and the type of what it gives."""
    with object_tree.opened(path) as model:
        graph = object_tree.graph_of(model, model_file.SIGNATURE)
        types = {0: "FLOAT32", 9: "INT8"}
        return [
            (
                object_tree.kind_of(model, op),
                types.get(graph.tensors[op.outputs[0]].type, ""),
            )
            for op in graph.operators
        ]


Search = Callable[..., list[Kept]]


@pytest.fixture
def searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Search:
    """All attempts on files that stand for modules by their errors: each kept one takes its own
    away, and costs a byte, or ten with its weights."""

    def of(errors: dict[str, float]) -> list[Kept]:
        monkeypatch.setattr(mixed_precision, "modules", lambda float_file: [*errors])

        def quantized(kept: tuple[str, ...], with_weights: bool) -> Path:
            path = tmp_path / f"{'weights' if with_weights else 'alone'}+{'+'.join(kept)}"
            path.write_bytes(bytes(100 + len(kept) * (10 if with_weights else 1)))
            return path

        def outputs(path: Path) -> np.ndarray:
            kept = path.name.split("+")
            left = sum(error for name, error in errors.items() if name not in kept)
            return np.full((4, 2), 0 if path.name == "float.tflite" else left, np.float32)

        found = search(tmp_path / "float.tflite", quantized, outputs, lambda step: None)
        return [kept for kept, path in found]

    return of


def test_the_worst_first_and_twice_as_many_each_time(searched: Search) -> None:
    errors = {"a": 1.0, "b": 5.0, "c": 2.0, "d": 4.0, "e": 3.0}
    attempts = searched(errors)
    names = [kept.modules for kept in attempts if not kept.with_weights]
    assert names == [("b",), ("b", "d"), ("b", "d", "e", "c"), ("b", "d", "e", "c", "a")]
    assert [kept.modules for kept in attempts if kept.with_weights] == names
    assert [kept.with_weights for kept in attempts] == [False] * 4 + [True] * 4
    assert {kept.error for kept in attempts} == {15.0}
    assert attempts[1].gains == (Gain("b", 10.0), Gain("d", 11.0))
    assert [kept.bytes for kept in attempts] == [1, 2, 4, 5, 10, 20, 40, 50]


def test_what_does_not_help_is_not_kept(searched: Search) -> None:
    attempts = searched({"a": 0.0, "b": 5.0, "c": -2.0})
    assert {kept.modules for kept in attempts} == {("b",)}


def test_where_nothing_helps_there_is_no_attempt(searched: Search) -> None:
    assert searched({"a": 2.0, "b": -1.0}) == []
