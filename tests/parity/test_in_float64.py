"""A Keras model's copy in float64: every value of it, and no time spent on random ones."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import pytest
import torch

import signbart_port
from signbart_port import Pair
from signbart_port.parity import float64, torch_recording
from signbart_port.parity.keras_pairs import doubled, in_float64
from signbart_port.parity.load_pair import load_pair
from signbart_port.parity.workers import keras_float64
from signbart_port.parity.workers.torch_perturbed import perturb


@keras.saving.register_keras_serializable("tests")
class Offset(keras.layers.Layer):
    """Adds the element of a table at an index that is a weight of its own."""

    def build(self, shape: Any) -> None:
        self.index = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)
        self.table = self.add_weight(shape=(3,), initializer="random_normal")

    def call(self, given: Any) -> Any:
        return given + keras.ops.take(self.table, self.index)


@keras.saving.register_keras_serializable("tests")
class Picky(Offset):
    """Takes no other first values than its own."""

    def __init__(self, table_initializer: Any = None, **options: Any) -> None:
        if table_initializer == "zeros":
            raise ValueError("not these")
        super().__init__(**options)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"table_initializer": "random_normal"}


@pytest.mark.parametrize("layer", [Offset, Picky])
def test_every_value_is_carried(layer: type[Offset]) -> None:
    given = keras.Input((4,))
    made = layer(name="offset")
    model = keras.Model(given, made(keras.layers.Dense(4, name="dense")(given)))
    made.index.assign(2)
    double = in_float64(model, {})
    for one, other in zip(double.weights, model.weights, strict=True):
        assert np.array_equal(one.numpy(), other.numpy()), one.path
        assert one.dtype == ("int32" if other.dtype == "int32" else "float64")
    x = np.random.default_rng(0).standard_normal((2, 4))
    assert np.allclose(double(x), model(x.astype(np.float32)), atol=1e-6)


def test_a_large_model_runs_in_a_process_of_its_own(tmp_path, monkeypatch):
    pair = load_pair("torch-lstm").pair  # whose sums of biases are no float32
    config, files = tmp_path / "config.json", (tmp_path / "a.pth", tmp_path / "a.weights.h5")
    config.write_text(json.dumps(dict(pair.example)))
    torch.save(perturb(pair.torch_model(pair.example)).state_dict(), files[0])
    signbart_port.convert_pair(files[0], pair, files[1], config=config, verify=False)
    here = signbart_port.verify_pair(*files, pair)
    monkeypatch.setattr(float64, "LARGE", 0)
    monkeypatch.delattr(float64.InFloat64, "_copy")
    apart = signbart_port.verify_pair(*files, pair)
    assert here.passed and len(here.structure) > 1 and apart.structure == here.structure


def test_a_large_weight_is_assigned_in_parts(monkeypatch):
    value = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
    variable = keras.Variable(np.zeros((7, 5)), dtype="float64")
    monkeypatch.setattr(keras_float64, "_CHUNK", 3 * 5 * 4)
    keras_float64._assign(variable, value)
    assert np.array_equal(variable.numpy(), value.astype(np.float64))


def test_pytorchs_weights_are_cast_and_come_back():
    module = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3), torch.nn.GRU(3, 2))
    module[0].bias = module[1].bias  # one parameter of two names
    module.register_buffer("rounded", torch.rand(4).half())
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with torch_recording._in_float64(module):
        cast = module.state_dict()
        assert {v.dtype for v in cast.values()} == {torch.float64, torch.int64}
        assert all(torch.equal(value, before[name].to(value.dtype)) for name, value in cast.items())
    after = module.state_dict()
    assert module[0].bias is module[1].bias
    assert all(v.dtype == before[n].dtype and torch.equal(v, before[n]) for n, v in after.items())


class Forgetful(keras.layers.Layer):
    """Cannot be made from its config, which lacks the units; nor is it registered."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units

    def build(self, shape: Any) -> None:
        self.table = self.add_weight(shape=(self.units, shape[-1]))

    def call(self, given: Any) -> Any:
        return given + keras.ops.sum(self.table, 0)


class Builds(Pair):
    def keras_model(self, config: Any) -> Any:
        given = keras.Input((4,))
        return keras.Model(given, Forgetful(config["units"])(given))


def test_what_its_own_config_does_not_make_the_pair_builds() -> None:
    config = {"units": 3}
    model = Builds().keras_model(config)
    double, why = doubled(model, {}, Builds(), config)
    assert double is not None and not why
    (copied,), (table,) = double.weights, model.weights
    assert copied.dtype == "float64" and np.array_equal(copied.numpy(), table.numpy())


@pytest.mark.parametrize("config", [None, {"units": 2}, {}])
def test_where_no_copy_is_made_it_is_said_why(config: Any) -> None:
    double, why = doubled(Builds().keras_model({"units": 3}), {}, Builds(), config)
    assert double is None and "Forgetful" in why


class Unregistered(Offset):
    pass


class Names(Pair):
    custom_objects = {"Unregistered": Unregistered}  # noqa: RUF012


@pytest.mark.parametrize(("pair", "made"), [(Names(), True), (Pair(), False)])
def test_the_classes_that_a_pair_names_need_not_be_registered(pair: Pair, made: bool) -> None:
    given = keras.Input((4,))
    model = keras.Model(given, Unregistered()(given))
    assert (doubled(model, {}, pair, None)[0] is not None) is made


class Stays(Pair):
    def keras_model(self, config: Any) -> Any:
        given = keras.Input((4,))
        softmax = keras.layers.Softmax(dtype="float32", name="softmax")
        return keras.Model(given, softmax(Forgetful(3)(given)))


def test_a_model_with_a_layer_that_stays_in_float32_has_no_copy() -> None:
    double, why = doubled(Stays().keras_model({}), {}, Stays(), {})
    assert double is None and why == "its layer softmax computes in less there"
