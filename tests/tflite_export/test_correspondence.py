"""A file with rounded weights beside the float32 file of the same model."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

from signbart_port.parity.pair import Pair
from signbart_port.tflite import constants, object_tree
from signbart_port.tflite.modes import Precision, Quantization
from signbart_port.tflite_export.correspondence import correspond
from signbart_port.tflite_export.pair_conversion import SignatureSpec
from signbart_port.tflite_export.workers import concrete_functions, pair_converter
from tests.support.modified_tflite import flip, packed

NONE, FLOAT16, DYNAMIC = Quantization.NONE, Quantization.FLOAT16, Quantization.DYNAMIC
INPUTS = SignatureSpec("serving_default", {"x": (1, 9, 32)}, {"x": "float32"}, ("output",))
Change = Callable[[Any], None]


def network(seed: int = 0) -> keras.Model:
    """A loop, a convolution, a norm that the converter folds, two kernels of one shape."""
    keras.utils.set_random_seed(seed)
    given = x = keras.Input((9, 32), name="x")
    x = keras.layers.LSTM(32, return_sequences=True, name="loop")(x)
    x = keras.layers.Conv1D(32, 3, padding="same", name="conv")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Dense(64, activation="tanh", name="one")(x)
    x = keras.layers.Dense(64, activation="relu", name="two")(x)
    return keras.Model(given, keras.layers.Dense(64, name="three")(x))


@cache
def files(seed: int = 0) -> dict[Quantization, bytes]:
    model = network(seed)
    functions = {INPUTS.name: pair_converter._function(Pair(), model, INPUTS)}
    return {
        mode: concrete_functions.converted(model, functions, mode.spec)
        for mode in (NONE, FLOAT16, DYNAMIC)
    }


@pytest.mark.parametrize("mode", [NONE, FLOAT16, DYNAMIC])
def test_the_same_model(mode):
    made = files()
    found = correspond(made[NONE], made[mode], INPUTS.name, mode.spec.precision)
    assert found.same and found.parted is None
    weights = 14 - 4  # the norm is part of the convolution
    rounded = {NONE: 0, FLOAT16: weights, DYNAMIC: 6}[mode]
    assert found.rounded == rounded and found.constants > rounded
    assert "the graph is that of the float32 file" in found.sentence()


def weights(tree: Any) -> list[tuple[Any, Any]]:
    """The tensors of all subgraphs that hold weights, with their values, which may be changed."""
    return [
        (tensor, tree.buffers[tensor.buffer])
        for graph in tree.subgraphs
        for tensor, stored in constants.of_graph(tree, graph)
        if stored.values.size > 100
    ]


def one_bit(number: int) -> Change:
    def change(tree: Any) -> None:
        _, buffer = weights(tree)[number]
        buffer.data = np.array(buffer.data)
        flip(buffer.data, 40, 6)

    return change


def one_scale(tree: Any) -> None:
    tensor = next(
        t for t, _ in weights(tree) if t.quantization and t.quantization.scale is not None
    )
    tensor.quantization.scale = tensor.quantization.scale * np.float32(1.001)


def exchanged(tree: Any) -> None:
    alike: dict[tuple[int, ...], Any] = {}
    for tensor, _ in weights(tree):
        key = (*map(int, tensor.shape), tensor.type)
        if key in alike and alike[key].buffer != tensor.buffer:
            other = alike[key]
            tensor.buffer, other.buffer = other.buffer, tensor.buffer
            tensor.quantization, other.quantization = other.quantization, tensor.quantization
            return
        alike[key] = tensor
    raise AssertionError("no two of one shape")


def another_operator(tree: Any) -> None:
    kinds = [object_tree.kind_of(tree, op) for op in tree.subgraphs[0].operators]
    tanh = tree.subgraphs[0].operators[kinds.index("TANH")]
    inside = [object_tree.kind_of(tree, op) for op in tree.subgraphs[2].operators]
    logistic = tree.subgraphs[2].operators[inside.index("LOGISTIC")]
    tanh.opcodeIndex = logistic.opcodeIndex


def another_gate(tree: Any) -> None:
    ops = tree.subgraphs[2].operators
    gates = [op for op in ops if object_tree.kind_of(tree, op) == "LOGISTIC"]
    gates[0].inputs, gates[1].inputs = gates[1].inputs, gates[0].inputs


def another_activation(tree: Any) -> None:
    fused = [
        op.builtinOptions
        for op in tree.subgraphs[0].operators
        if object_tree.kind_of(tree, op) == "FULLY_CONNECTED"
    ]
    next(
        options for options in fused if options.fusedActivationFunction
    ).fusedActivationFunction = 0


CHANGES: dict[str, tuple[Change, str]] = {
    **{f"one bit of weight {n}": (one_bit(n), "are wrong") for n in range(6)},
    "a scale": (one_scale, "are wrong"),
    "two kernels of one shape": (exchanged, "are wrong"),
    "another operator": (another_operator, "LOGISTIC stands for TANH"),
    "another gate, in the loop": (another_gate, "another output of a SPLIT"),
    "another activation": (another_activation, "a FULLY_CONNECTED has other options"),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("mode", [FLOAT16, DYNAMIC])
def test_what_differs_is_found(mode, name):
    change, said = CHANGES[name]
    if (mode, name) == (FLOAT16, "a scale"):
        pytest.skip("float16 has no scales")
    made = files()
    tree = object_tree.parsed(made[mode])
    change(tree)
    found = correspond(made[NONE], packed(tree), INPUTS.name, mode.spec.precision)
    assert not found.same and said in found.sentence()


def test_another_model():
    found = correspond(files()[NONE], files(1)[DYNAMIC], INPUTS.name, Precision.DYNAMIC)
    assert not found.same and found.parted is None and len(found.wrong) > 5
