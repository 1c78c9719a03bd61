"""`torch.nn.LSTM` and `torch.nn.GRU` with a linear head, and Keras' layers of those names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from signbart_port.parity.config_keys import Mapped
from signbart_port.parity.pair import Case, Pair, Signature


class LSTM(Pair):
    """Layers of LSTM in one direction, and a head on every step.

    The config: `inputs`, `units`, `layers`, `outputs`.
    """

    mapping = "torch_lstm.yaml"
    keys: ClassVar = dict.fromkeys(("inputs", "units", "layers", "outputs"), Mapped())
    example: ClassVar = {"inputs": 5, "units": 6, "layers": 2, "outputs": 3}
    layer = "LSTM"
    both_ways = False

    def torch_model(self, config: Mapping[str, int]) -> Any:
        """Build the PyTorch module."""
        import torch

        units, ways = config["units"], 1 + self.both_ways
        options: Any = {"batch_first": True, "bidirectional": self.both_ways}
        options |= {"num_layers": config["layers"]}
        parts = {
            "rnn": getattr(torch.nn, self.layer)(config["inputs"], units, **options),
            "head": torch.nn.Linear(units * ways, config["outputs"]),
        }
        return torch.nn.ModuleDict(parts)

    def call_torch(self, model: Any, inputs: Mapping[str, Any]) -> Any:
        """Run the layers, then the head."""
        return model["head"](model["rnn"](inputs["x"])[0])

    def keras_model(self, config: Mapping[str, int]) -> Any:
        """Build the Keras model."""
        import keras

        given = values = keras.Input((None, config["inputs"]), name="x")
        for number in range(config["layers"]):
            layer = getattr(keras.layers, self.layer)(
                config["units"], return_sequences=True, name=f"rnn_{number}"
            )
            if self.both_ways:
                layer = keras.layers.Bidirectional(layer, name=f"rnn_{number}")
            values = layer(values)
        return keras.Model(given, keras.layers.Dense(config["outputs"], name="head")(values))

    def cases(self, config: Mapping[str, int], seed: int) -> Sequence[Case]:
        """Return one batch of noise."""
        noise = np.random.default_rng(seed).standard_normal((2, 9, config["inputs"]), np.float32)
        return (Case("noise", {"x": noise}, {"x": noise}),)

    def tflite(self, config: Mapping[str, int]) -> Sequence[Signature]:
        """Return the signature of one example, with other noise to calibrate on."""
        noise = [case for seed in range(1, 51) for case in self.cases(config, seed)]
        return (Signature.of(noise[0], noise),)

    def vary(self, config: Mapping[str, int]) -> Sequence[Mapping[str, int]]:
        """Return other numbers of layers, and sizes of one."""
        return [{"layers": 1}, {"layers": 3}, {"units": 1}, {"inputs": 1}]


class GRU(LSTM):
    """Layers of GRU in one direction, see `LSTM`."""

    mapping = "torch_gru.yaml"
    layer = "GRU"


class BidirectionalLSTM(LSTM):
    """Layers of LSTM in both directions, see `LSTM`."""

    mapping = "torch_lstm_both_ways.yaml"
    both_ways = True


class BidirectionalGRU(GRU):
    """Layers of GRU in both directions, see `LSTM`."""

    mapping = "torch_gru_both_ways.yaml"
    both_ways = True
