"""A Keras model's copy in float64: every value of it, and no time spent on random ones."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from signbart_port.parity.keras_pairs import in_float64


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
