"""A pair's integer file beside its float32 file, with the ranges of a calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from signbart_port.parity.pair import Pair
from signbart_port.system.processes import new_folder
from signbart_port.tflite import constants, object_tree
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite.signature_graph import described
from signbart_port.tflite_export.activation_ranges import Ranges, grid_of
from signbart_port.tflite_export.correspondence import Correspondence, correspond
from signbart_port.tflite_export.pair_conversion import SignatureSpec
from signbart_port.tflite_export.pair_quantization import PairQuantizerJob, key_of
from signbart_port.tflite_export.workers import (
    concrete_functions,
    pair_converter,
    pair_quantizer,
)
from tests.support.modified_tflite import packed

# Keeping every tensor takes memory, as the interpreter says whenever it is done.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:ai_edge_litert")
INPUTS = SignatureSpec("serving_default", {"x": (1, 6, 8)}, {"x": "float32"}, ("output",))
MODES = (Quantization.INT8, Quantization.INT8_FULL, Quantization.INT16X8)
Change = Callable[[Any], None]


def network() -> keras.Model:
    """A convolution, a tanh, values that are joined, masked scores, a loop."""
    keras.utils.set_random_seed(0)

    def dense(units: int, activation: str | None = None) -> keras.layers.Dense:
        return keras.layers.Dense(units, activation, bias_initializer="random_normal")

    x = keras.Input((6, 8), name="x")
    conv = keras.layers.Conv1D(8, 3, padding="same", activation="relu")(x)
    joined = keras.layers.Concatenate()([dense(8, "tanh")(conv), dense(8)(conv)])
    scores = keras.ops.where(x[:, :, :6] > 0, dense(6)(joined), -1e9)
    mixed = keras.ops.matmul(keras.layers.Softmax()(scores), dense(4, "relu")(joined))
    return keras.Model(x, dense(5)(keras.layers.GRU(4)(mixed)))


@dataclass(frozen=True)
class Files:
    exact: bytes
    ranges: Ranges
    integers: dict[Quantization, bytes]

    def held(self, mode: Quantization, change: Change = lambda _: None) -> Correspondence:
        """Hold the file of a mode, with a change, against the exact one."""
        tree = object_tree.parsed(self.integers[mode])
        change(tree)
        return correspond(self.exact, packed(tree), INPUTS.name, mode.spec.precision, self.ranges)


@cache
def files() -> Files:
    model = network()
    functions = {INPUTS.name: pair_converter._function(Pair(), model, INPUTS)}
    exact = concrete_functions.converted(model, functions, Quantization.NONE.spec)
    x = np.random.default_rng(1).standard_normal((20, 6, 8), np.float32)
    with new_folder() as folder:
        source = Path(folder, "none.tflite")
        source.write_bytes(exact)
        out = {mode.value: Path(folder, f"{mode.value}.tflite") for mode in MODES}
        job = PairQuantizerJob(source, ((INPUTS.name, ("x",)),), out)
        _, ranges = pair_quantizer._run(job, {key_of(0, "x"): x})
        made = {mode: out[mode.value].read_bytes() for mode in MODES}
    return Files(exact, {int(number): table for number, table in ranges.items()}, made)


@pytest.mark.parametrize("mode", MODES)
def test_the_same_model(mode):
    found = files().held(mode)
    assert found.same and found.activations > 10 and found.rounded >= 12
    assert "integer activations are those of calibration" in found.sentence()
    tree = object_tree.parsed(files().integers[mode])
    graph = described(tree, INPUTS.name)
    assert graph.precision is mode.spec.precision
    assert set(graph.integers) == ({"x", "output"} if mode.spec.integer_io else set())


def test_what_integers_cannot_hold_stays_in_float32():
    tree = object_tree.parsed(files().integers[Quantization.INT8])
    floats = {
        object_tree.kind_of(tree, op)
        for op in tree.subgraphs[0].operators
        if tree.subgraphs[0].tensors[op.outputs[0]].type == 0
    }
    assert {"SELECT_V2", "SOFTMAX"} <= floats and "FULLY_CONNECTED" not in floats


def operators(tree: Any, kind: str) -> list[Any]:
    return [op for op in tree.subgraphs[0].operators if object_tree.kind_of(tree, op) == kind]


def one_step(kind: str, place: int) -> Change:
    """Change a constant of an operator by one step of its integers."""

    def change(tree: Any) -> None:
        tensor = tree.subgraphs[0].tensors[operators(tree, kind)[0].inputs[place]]
        stored = next(
            one for other, one in constants.of_graph(tree, tree.subgraphs[0]) if other is tensor
        )
        values = stored.values.copy()
        values.flat[2] += 1 if values.flat[2] < 100 else -1
        tree.buffers[tensor.buffer].data = np.frombuffer(values.tobytes(), np.uint8)

    return change


def scaled(kind: str, factor: float) -> Change:
    """Change the range of an operator's result."""

    def change(tree: Any) -> None:
        tensor = tree.subgraphs[0].tensors[operators(tree, kind)[0].outputs[0]]
        assert grid_of(tensor) is not None
        tensor.quantization.scale = tensor.quantization.scale * np.float32(factor)

    return change


def another_zero(tree: Any) -> None:
    """Of a result whose range then begins and ends elsewhere."""
    tensor = tree.subgraphs[0].tensors[operators(tree, "CONV_2D")[0].outputs[0]]
    tensor.quantization.zeroPoint = tensor.quantization.zeroPoint + 2


def no_activation(tree: Any) -> None:
    operators(tree, "CONV_2D")[0].builtinOptions.fusedActivationFunction = 0


def another_input(tree: Any) -> None:
    """Of a concatenation: the same values twice."""
    op = operators(tree, "CONCATENATION")[0]
    op.inputs = np.array([op.inputs[1]] * 2, np.int32)


WEIGHTS: dict[str, Change] = {
    "a weight of a convolution": one_step("CONV_2D", 1),
    "a bias of a convolution": one_step("CONV_2D", 2),
    "a weight of a product": one_step("FULLY_CONNECTED", 1),
    "a bias of a product": one_step("FULLY_CONNECTED", 2),
}
RANGES: dict[str, Change] = {
    "narrower": scaled("CONV_2D", 0.97),
    "wider": scaled("CONV_2D", 1.03),
    "the steps of tanh": scaled("TANH", 1.03),
    "steps that are not shared": scaled("CONCATENATION", 1.03),
    "another zero": another_zero,
}
GRAPHS: dict[str, tuple[Change, str]] = {
    "no activation": (no_activation, "a CONV_2D has other options"),
    "another input": (another_input, "FULLY_CONNECTED stands for TANH"),
}
CHANGED = pytest.mark.parametrize("mode", [Quantization.INT8_FULL, Quantization.INT16X8])


@CHANGED
@pytest.mark.parametrize("name", WEIGHTS)
def test_one_step_of_a_constant_is_found(mode, name):
    found = files().held(mode, WEIGHTS[name])
    (wrong,) = found.wrong
    assert wrong.values == 1 and not found.out_of_range and not found.same


@CHANGED
@pytest.mark.parametrize("name", RANGES)
def test_another_range_is_found(mode, name):
    found = files().held(mode, RANGES[name])
    assert found.out_of_range and found.parted is None and not found.same


@CHANGED
@pytest.mark.parametrize("name", GRAPHS)
def test_another_graph_is_found(mode, name):
    change, said = GRAPHS[name]
    assert files().held(mode, change).parted == said


def test_ranges_that_are_not_the_calibration_s():
    made = files()
    other = {number: table * np.float32(0.9) for number, table in made.ranges.items()}
    integers, mode = made.integers[Quantization.INT8], Quantization.INT8
    found = correspond(made.exact, integers, INPUTS.name, mode.spec.precision, other)
    assert not found.same and len(found.out_of_range) > 5


@pytest.mark.parametrize("mode", MODES)
def test_integers_need_ranges(mode):
    integers, precision = files().integers[mode], Quantization.DYNAMIC.spec.precision
    found = correspond(files().exact, integers, INPUTS.name, precision)
    assert not found.same and "integers" in found.sentence()


def test_an_integer_file_is_held_against_itself():
    """As a file is that has got its card: with the same ranges, or it is another file."""
    integers, precision = files().integers[Quantization.INT8], Quantization.NONE.spec.precision
    assert correspond(integers, integers, INPUTS.name, precision).same
    tree = object_tree.parsed(integers)
    scaled("CONV_2D", 1.001)(tree)
    found = correspond(integers, packed(tree), INPUTS.name, precision)
    assert "an activation has other integers" in found.sentence()
