"""The proof of an integer file: what is wrong with one is found, by its weights or by its graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from signbart_port.data.model_interface import Interface
from signbart_port.errors import ProofError
from signbart_port.model_files import h5
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.parity.compare import Row
from signbart_port.parity.report import WeightComparison
from signbart_port.parity.taps import LOGITS
from signbart_port.tflite import constants, model_file
from signbart_port.tflite.model_file import TFLiteFile
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export import packing
from signbart_port.tflite_export.graph_proof import GraphProof
from signbart_port.tflite_export.proof import Expected, Models, check_graph
from signbart_port.tflite_export.weight_proof import compare
from signbart_port.verbs.to_tflite import Emitted
from tests.support.tflite_tree import Tree
from tests.support.trained_models import CONFIG

pytestmark = pytest.mark.release
INTERFACE = Interface(CONFIG.keypoints)
FRAMES = CONFIG.max_position_embeddings
FC2, NORM = "encoder/layers.0/fc2", "encoder/layers.0/final_layer_norm"


Held = Callable[[Tree], WeightComparison]
GraphOf = Callable[[Tree], Row]


@pytest.fixture(scope="module")
def keras(fitted_h5: Path) -> KerasModel:
    return h5.read(fitted_h5)


@pytest.fixture
def held(keras: KerasModel, tmp_path: Path) -> Callable[[Tree], WeightComparison]:
    """What a tree has of the model's weights."""
    return lambda tree: compare(written(tree, tmp_path), CONFIG, keras.tensors)


@pytest.fixture(scope="module")
def models(keras: KerasModel) -> Models:
    return Models(keras, INTERFACE, True)


@pytest.fixture(scope="module")
def expected(models: Models) -> Expected:
    return models.expected(FRAMES)


@pytest.fixture
def graph_of(models: Models, expected: Expected, tmp_path: Path) -> Callable[[Tree], Row]:
    """The verdict on a tree's graph."""

    def row(tree: Tree) -> Row:
        file, tensors = written(tree, tmp_path), models.file.tensors
        proof = GraphProof(file, CONFIG, tensors, INTERFACE, models.float64)
        return proof.row(expected.file_inputs, expected.truth.noise[LOGITS])

    return row


def written(tree: Tree, folder: Path) -> TFLiteFile:
    path = folder / "model.tflite"
    path.write_bytes(packing.pack(tree.model))
    return model_file.read(path)


@pytest.fixture(params=["int8_full", pytest.param("int16x8", marks=pytest.mark.release)])
def tree(emitted: Callable[[str], Emitted], request: pytest.FixtureRequest) -> Tree:
    return Tree(emitted(request.param).out.read_bytes())


@pytest.fixture
def narrow(emitted: Callable[[str], Emitted]) -> Tree:
    """The tree that is integers all through."""
    return Tree(emitted("int8_full").out.read_bytes())


def right(weights: WeightComparison) -> bool:
    return not weights.differing and not weights.missing


def kernel(keras: KerasModel, module: str) -> np.ndarray:
    return keras.tensors[f"{module}/kernel"].T


def test_the_right_file(tree: Tree, held: Held, graph_of: GraphOf) -> None:
    assert right(held(tree))
    row = graph_of(tree)
    assert row.passed and row.error < row.limit / 2, row.sentence()


@pytest.mark.parametrize("bit", [0, 3, 7])
def test_a_bit_of_a_weight(tree: Tree, held: Held, keras: KerasModel, bit: int) -> None:
    values = tree.data(tree.holding(kernel(keras, FC2)))
    values[3, 5] ^= np.array(1 << bit, np.uint8).view(np.int8)
    (wrong,) = held(tree).differing
    assert wrong.name == f"{FC2}/kernel" and wrong.values == 1


def test_a_scale(tree: Tree, held: Held, keras: KerasModel) -> None:
    """Of one channel, whose weights are then twice as large, and what is counted in its steps."""
    tensor = tree.holding(kernel(keras, FC2))
    tree.steps(tensor)[7] *= 2
    assert {wrong.name for wrong in held(tree).differing} == {f"{FC2}/kernel", f"{FC2}/bias"}


def test_coarser_steps(tree: Tree, held: Held, keras: KerasModel) -> None:
    """The nearest integers, but fewer of them than the range allows."""
    tensor = tree.holding(kernel(keras, FC2))
    tree.steps(tensor)[7] *= 2
    values = tree.data(tensor)
    values[7] = np.round(kernel(keras, FC2)[7] / tensor.quantization.scale[7])
    assert {wrong.name for wrong in held(tree).differing} == {f"{FC2}/kernel", f"{FC2}/bias"}


def test_swapped_weights(tree: Tree, held: Held, graph_of: GraphOf, keras: KerasModel) -> None:
    """Every number is there: what they do is another thing."""
    one, other = (
        tree.holding(kernel(keras, f"decoder/layers.0/{name}_attn/out_proj"))
        for name in ("self", "encoder")
    )
    one.buffer, other.buffer = other.buffer, one.buffer
    one.quantization, other.quantization = other.quantization, one.quantization
    assert not (right(held(tree)) and graph_of(tree).passed)


def test_a_bias(tree: Tree, held: Held, keras: KerasModel) -> None:
    tensor = tree.holding(keras.tensors[f"{FC2}/bias"])
    values = tree.data(tensor)
    assert values.dtype.kind == "i"
    values[4] += 2
    (wrong,) = held(tree).differing
    assert wrong.name == f"{FC2}/bias" and wrong.values == 1


def test_a_bias_in_steps_of_its_own(tree: Tree, held: Held, keras: KerasModel) -> None:
    """LiteRT adds the integers to those of the product, whose steps are not half as large."""
    tensor = tree.holding(keras.tensors[f"{FC2}/bias"])
    tree.steps(tensor)[:] *= 2
    tree.data(tensor)[:] //= 2
    (wrong,) = held(tree).differing
    assert wrong.name == f"{FC2}/bias" and wrong.values > 0.9 * CONFIG.d_model


def test_a_gain(tree: Tree, held: Held, keras: KerasModel) -> None:
    tensor = tree.holding(keras.tensors[f"{NORM}/gamma"])
    values = tree.data(tensor)
    values[4] = values[4] * 0.75
    (wrong,) = held(tree).differing
    assert wrong.name == f"{NORM}/gamma" and wrong.values == 1


def test_a_missing_weight(tree: Tree, held: Held, keras: KerasModel) -> None:
    """Its constant is still there, with nothing in it."""
    tree.data(tree.holding(keras.tensors[f"{FC2}/bias"]))[:] = 0
    assert not right(held(tree))


def masks(tree: Tree) -> Iterator[Any]:
    """What is added where something is hidden."""
    for op in tree.ops("SELECT_V2"):
        for place in op.inputs[1:]:
            stored = dict(stored_by_buffer(tree)).get(tree.tensor(place).buffer)
            if stored is not None and stored.real.min() < -1:
                yield tree.tensor(place)


def stored_by_buffer(tree: Tree) -> Iterator[tuple[int, constants.StoredConstant]]:
    for tensor, stored in constants.of(tree.model, model_file.SIGNATURE):
        yield tensor.buffer, stored


@pytest.mark.parametrize("strength", [0.0, 0.05])
def test_a_weak_mask(tree: Tree, graph_of: GraphOf, strength: float) -> None:
    """Padding and later frames are seen, if barely."""
    found = list(masks(tree))
    assert found
    for tensor in found:
        zero = tensor.quantization.zeroPoint[0]
        values = tree.data(tensor)
        values[...] = zero + np.round(strength * (values.astype(int) - zero))
    assert not graph_of(tree).passed


def softmax(tree: Tree) -> None:
    tree.ops("SOFTMAX")[0].builtinOptions.beta = 1.01


def gelu(tree: Tree) -> None:
    tree.ops("GELU")[0].builtinOptions.approximate ^= True


def subtraction(tree: Tree) -> None:
    """Mean minus value: a LayerNorm with the wrong sign."""
    op = tree.ops("SUB")[0]
    op.inputs = op.inputs[::-1].copy()


def activation(tree: Tree) -> None:
    relu = schema.ActivationFunctionType.RELU
    tree.ops("FULLY_CONNECTED")[-2].builtinOptions.fusedActivationFunction = relu


def residual(tree: Tree) -> None:
    """A sum of a state with itself: a branch is left out, the other counts twice."""
    op = next(op for op in tree.ops("ADD") if all(n in made_by(tree) for n in op.inputs))
    op.inputs = np.array([op.inputs[0]] * 2, np.int32)


def joints(tree: Tree) -> None:
    picked = tree.data(tree.tensor(tree.ops("GATHER")[0].inputs[1]))
    picked[[3, 30]] = picked[[30, 3]]


def layer_norm(tree: Tree) -> None:
    """Its input goes where its output went."""
    sub = tree.ops("SUB")[1]
    given = int(sub.inputs[0])
    product = next(op for op in tree.ops("MUL") if int(sub.outputs[0]) in op.inputs)
    made = int(product.outputs[0])
    for op in tree.graph.operators:
        if op is not product:
            op.inputs = np.where(op.inputs == made, given, op.inputs).astype(np.int32)


def last_frame(tree: Tree) -> None:
    """The first frame is classified, not the last real one."""
    op = tree.ops("REDUCE_MAX")[0]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.REDUCE_MIN
    code.version = 2
    op.opcodeIndex = len(tree.model.operatorCodes)
    tree.model.operatorCodes.append(code)


def made_by(tree: Tree) -> dict[int, Any]:
    return {int(op.outputs[0]): op for op in tree.graph.operators}


@pytest.mark.parametrize(
    "mistake",
    [
        softmax,
        gelu,
        subtraction,
        activation,
        residual,
        joints,
        layer_norm,
        last_frame,
    ],
    ids=lambda mistake: mistake.__name__,
)
def test_a_wrong_graph(narrow: Tree, graph_of: GraphOf, mistake: Callable[[Tree], None]) -> None:
    """With every weight where it was."""
    mistake(narrow)
    assert not graph_of(narrow).passed


@pytest.mark.parametrize("asked", Quantization)
@pytest.mark.parametrize("mode", Quantization)
@pytest.mark.on_commit("Quantization.FLOAT16-Quantization.NONE")
def test_a_file_of_another_mode(
    emitted: Callable[[str], Emitted], mode: Quantization, asked: Quantization
) -> None:
    """Read off what it computes, whatever it is called."""
    file = emitted(mode.value).file
    if mode is asked:
        check_graph("model.h5", file, asked)
        return
    with pytest.raises(ProofError, match=f"^model.h5: asked for {asked.value}, the file "):
        check_graph("model.h5", file, asked)


@pytest.mark.release
@pytest.mark.parametrize(
    ("integers", "floats", "right"), [(3, 2, True), (2, 2, False), (0, 4, False)]
)
def test_most_products_are_integers(
    emitted: Callable[[str], Emitted], integers: int, floats: int, right: bool
) -> None:
    """However many modules are kept in float."""
    products = Counter({"INT8": integers, "FLOAT32": floats})
    file = replace(emitted("int8").file, products=products)
    if right:
        check_graph("model.h5", file, Quantization.INT8)
        return
    with pytest.raises(ProofError, match="asked for int8, the file is"):
        check_graph("model.h5", file, Quantization.INT8)


@pytest.mark.parametrize("name", ["custom:FlexErf", "READ_VARIABLE", "VAR_HANDLE"])
def test_operators_that_no_runtime_has(emitted: Callable[[str], Emitted], name: str) -> None:
    file = emitted("int8").file
    with pytest.raises(ProofError, match=f"left {name} in the graph"):
        check_graph("model.h5", replace(file, ops=file.ops | Counter([name])), Quantization.INT8)
