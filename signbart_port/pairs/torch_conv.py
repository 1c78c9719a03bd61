"""A stack of convolutions with batch normalization, in PyTorch and in Keras.

PyTorch has channels second, Keras last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from signbart_port.parity.config_keys import Mapped
from signbart_port.parity.pair import Case, Pair, Signature, Tap
from signbart_port.parity.taps import LOGITS


class Convolutions(Pair):
    """Conv1d, BatchNorm1d, a depthwise Conv1d and a head on the mean.

    The config: `inputs`, `channels`, `outputs`.
    """

    mapping = "torch_conv.yaml"
    keys: ClassVar = dict.fromkeys(("inputs", "channels", "outputs"), Mapped())
    example: ClassVar = {"inputs": 4, "channels": 6, "outputs": 3}

    def torch_model(self, config: Mapping[str, int]) -> Any:
        """Build the PyTorch module."""
        from torch import nn

        channels = config["channels"]
        depthwise = nn.Conv1d(channels, channels, 3, padding=1, groups=channels)
        return nn.ModuleDict(
            {
                "conv": nn.Conv1d(config["inputs"], channels, 5, padding=2),
                "norm": nn.BatchNorm1d(channels),
                "depthwise": depthwise,
                "head": nn.Linear(channels, config["outputs"]),
            }
        )

    def call_torch(self, model: Any, inputs: Mapping[str, Any]) -> Any:
        """Run one layer after the other."""
        values = model["norm"](model["conv"](inputs["x"])).relu()
        return model["head"](model["depthwise"](values).relu().mean(-1))

    def keras_model(self, config: Mapping[str, int]) -> Any:
        """Build the Keras model."""
        import keras

        layers = keras.layers
        given = keras.Input((None, config["inputs"]), name="x")
        values = layers.Conv1D(config["channels"], 5, padding="same", name="conv")(given)
        values = layers.BatchNormalization(epsilon=1e-5, name="norm")(values)
        values = layers.ReLU()(values)
        values = layers.DepthwiseConv1D(3, padding="same", activation="relu", name="depthwise")(
            values
        )
        values = layers.GlobalAveragePooling1D()(values)
        return keras.Model(given, layers.Dense(config["outputs"], name="head")(values))

    def cases(self, config: Mapping[str, int], seed: int) -> Sequence[Case]:
        """Return one batch of noise."""
        noise = np.random.default_rng(seed).standard_normal((2, 11, config["inputs"]), np.float32)
        return (Case("noise", {"x": noise.transpose(0, 2, 1).copy()}, {"x": noise}),)

    def tflite(self, config: Mapping[str, int]) -> Sequence[Signature]:
        """Return the signature of one example, with other noise to calibrate on."""
        noise = [case for seed in range(1, 51) for case in self.cases(config, seed)]
        return (Signature.of(noise[0], noise),)

    def vary(self, config: Mapping[str, int]) -> Sequence[Mapping[str, int]]:
        """Return more channels, and sizes of one."""
        return [{"channels": 9}, {"channels": 1}, {"inputs": 1}, {"outputs": 1}]

    def taps(self, config: object) -> Mapping[str, Tap]:
        """Return the axes of the output."""
        return {LOGITS: Tap("batch label")}
