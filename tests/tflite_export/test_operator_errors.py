"""The error of each operator of a rounded file, and the file for Model Explorer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

import signbart_port
from signbart_port import PortError
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.model_files.model_file import open_model
from signbart_port.pairs import signbart_cases
from signbart_port.tflite import model_file, object_tree
from signbart_port.tflite.arguments import arguments
from signbart_port.tflite_export import operator_errors, packing
from signbart_port.tflite_export.operator_errors import OperatorErrors
from signbart_port.verbs.to_tflite import Emitted
from tests.tflite.test_node_data import SCHEMA

Emit = Callable[[str], Emitted]


def measured(h5: Path, file: model_file.TFLiteFile) -> OperatorErrors:
    model = open_model(h5)
    assert isinstance(model, KerasModel)
    inputs = signbart_cases.make(file.joints, file.frames or 0).beginning_real()
    return operator_errors.measure(file, model.config, model.tensors, inputs)


def test_the_last_operator_is_as_far_off_as_the_logits(fitted_h5: Path, emitted: Emit) -> None:
    file = emitted("dynamic").file
    found = measured(fitted_h5, file)
    assert sum(file.ops.values()) == len(found.operators) == len(found.errors)

    interpreter = Interpreter(
        str(file.path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    runner = interpreter.get_signature_runner("serving_default")
    inputs = signbart_cases.make(file.joints, file.frames or 0).beginning_real()
    clips = [*zip(inputs.keypoints, inputs.attention_mask, strict=True)]
    logits = np.concatenate(
        [runner(**arguments(*clip, runner.get_input_details()))["logits"] for clip in clips]
    )
    model = signbart_port.load(fitted_h5)
    exact = np.asarray(model(inputs.keypoints, inputs.attention_mask))
    error = np.abs(logits - exact).max() / np.abs(exact).max()
    assert found.operators[-1] == "FULLY_CONNECTED"
    assert error > 1e-3 and found.errors[-1] == pytest.approx(error, rel=1e-2)


def test_what_comes_before_the_first_rounded_product_is_exact(
    fitted_h5: Path, emitted: Emit
) -> None:
    found = measured(fitted_h5, emitted("dynamic").file)
    first = int(np.argmax(np.nan_to_num(found.errors) > 0))
    assert found.operators[first] == "FULLY_CONNECTED"
    assert np.isnan(found.errors[[kind == "EQUAL" for kind in found.operators]]).all()


@pytest.mark.parametrize("quantization", ["dynamic", "float16", "int8", "int8_full", "int16x8"])
@pytest.mark.on_commit("dynamic")
def test_verify_writes_node_data(
    fitted_h5: Path, emitted: Emit, tmp_path: Path, quantization: str, program: Callable[..., Any]
) -> None:
    done, out = emitted(quantization), tmp_path / "errors.json"
    code, printed, _ = program("verify", fitted_h5, done.out, "--node-data", out)
    assert code == 0 and f"{out.name}: the errors of" in printed.replace("\n", "")
    data = json.loads(out.read_text())
    jsonschema.validate(data, SCHEMA)
    with object_tree.opened(done.out) as model:
        graphs = {object_tree.text(graph.name): graph for graph in model.subgraphs}
    assert data.keys() == graphs.keys() and len(graphs) == len(done.files)
    for name, graph in graphs.items():
        values = {int(key): one["value"] for key, one in data[name]["results"].items()}
        assert max(values) < len(graph.operators) and len(values) > len(graph.operators) / 2
        assert 0 < max(values.values()) < 1, "what is masked counts for nothing"


@pytest.mark.release
@pytest.mark.parametrize("quantization", ["dynamic", "int8"])
def test_a_damaged_operator_stands_out(
    fitted_h5: Path, emitted: Emit, tmp_path: Path, quantization: str
) -> None:
    file = emitted(quantization).file
    before = measured(fitted_h5, file)
    number, damaged = with_scales_times(file, 10, tmp_path)
    after = measured(fitted_h5, damaged)
    grown = np.nan_to_num(after.errors) - np.nan_to_num(before.errors)
    assert int(np.argmax(grown > 0.1)) == number


@pytest.mark.release
def test_numbers_that_are_not_finite_are_named(
    fitted_h5: Path, emitted: Emit, tmp_path: Path
) -> None:
    number, damaged = with_scales_times(emitted("dynamic").file, np.inf, tmp_path)
    with pytest.raises(PortError, match=f"operator {number}, FULLY_CONNECTED, .* not finite"):
        measured(fitted_h5, damaged)


def with_scales_times(
    file: model_file.TFLiteFile, factor: float, folder: Path
) -> tuple[int, model_file.TFLiteFile]:
    """A file with a projection whose integers stand for other numbers, and its operator."""
    with object_tree.opened(file.path) as model:
        graph = object_tree.graph_of(model, file.signature)
        number = [
            place
            for place, op in enumerate(graph.operators)
            if object_tree.kind_of(model, op) == "FULLY_CONNECTED"
        ][5]
        weights = graph.tensors[graph.operators[number].inputs[1]]
        weights.quantization.scale = weights.quantization.scale * np.float32(factor)
        damaged = folder / "damaged.tflite"
        damaged.write_bytes(packing.pack(model))
    return number, model_file.read(damaged)


def test_what_has_no_errors_is_refused(fitted_h5: Path, emitted: Emit, tmp_path: Path) -> None:
    dynamic, exact = emitted("dynamic").out, emitted("none").out
    out = tmp_path / "errors.json"
    for files, says in (
        ((fitted_h5, exact), "rounds nothing"),
        ((fitted_h5, fitted_h5), "are of a .tflite"),
        ((dynamic, dynamic), "has no weights"),
    ):
        with pytest.raises(PortError, match=says):
            signbart_port.verify(*files, node_data=out)
        assert not out.exists()
    with pytest.raises(PortError, match=r"written as \.json"):
        signbart_port.verify(fitted_h5, dynamic, node_data=tmp_path / "errors.txt")
    out.write_text("mine")
    with pytest.raises(PortError, match="exists"):
        signbart_port.verify(fitted_h5, dynamic, node_data=out)
    assert out.read_text() == "mine"


@pytest.mark.release
@pytest.mark.parametrize("quantization", ["dynamic", "int8"])
def test_model_explorer_finds_every_operator(
    fitted_h5: Path, emitted: Emit, tmp_path: Path, quantization: str
) -> None:
    """Its own reader of node data, and its own numbers of a file's operators."""
    adapter = pytest.importorskip("ai_edge_model_explorer_adapter")
    builder = pytest.importorskip("model_explorer.node_data_builder")
    import dacite

    done, out = emitted(quantization), tmp_path / "errors.json"
    signbart_port.verify(fitted_h5, done.out, node_data=out)
    nodes: dict[str, dict[str, Any]] = {}
    text = adapter.ConvertFlatbufferDirectlyToJson(adapter.VisualizeConfig(), str(done.out))
    for graph in json.loads(text)[0]["subgraphs"]:
        nodes[graph["id"]] = {node["id"]: node for node in graph["nodes"]}
    with object_tree.opened(done.out) as model:
        kinds = {
            object_tree.text(graph.name): [object_tree.kind_of(model, op) for op in graph.operators]
            for graph in model.subgraphs
        }
    for name, plain in json.loads(out.read_text()).items():
        data = dacite.from_dict(builder.GraphNodeData, plain, dacite.Config(strict=True))
        for key in data.results:
            assert nodes[name][key]["label"].upper() == kinds[name][int(key)]
