"""`torch.nn.TransformerEncoder` and layers of keras-hub's `TransformerEncoder`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from signbart_port.parity.config_keys import Mapped, Required
from signbart_port.parity.pair import Case, Pair, Signature, Tap

_EPSILON = 1e-5


class TransformerEncoder(Pair):
    """Layers of self-attention.

    The config: `width`, `heads`, `inner`, `layers`, `activation` (relu or gelu), `norm_first`.
    """

    mapping = "torch_transformer.yaml"
    keys: ClassVar = {
        **dict.fromkeys(("width", "heads", "inner", "layers"), Mapped()),
        "activation": Required(("relu", "gelu")),
        "norm_first": Required((False, True)),
    }
    example: ClassVar = {"width": 16, "heads": 4, "inner": 24, "layers": 2}

    def torch_model(self, config: Mapping[str, Any]) -> Any:
        """Build the PyTorch module."""
        from torch import nn

        layer = nn.TransformerEncoderLayer(
            config["width"],
            config["heads"],
            config["inner"],
            activation=config["activation"],
            layer_norm_eps=_EPSILON,
            batch_first=True,
            norm_first=config["norm_first"],
        )
        return nn.TransformerEncoder(layer, config["layers"], enable_nested_tensor=False)

    def keras_model(self, config: Mapping[str, Any]) -> Any:
        """Build the Keras model."""
        import keras
        from keras_hub.layers import TransformerEncoder as Layer

        given = values = keras.Input((None, config["width"]), name="src")
        mask = keras.Input((None,), dtype="bool", name="padding_mask")
        for number in range(config["layers"]):
            values = Layer(
                config["inner"],
                config["heads"],
                activation=config["activation"],
                layer_norm_epsilon=_EPSILON,
                normalize_first=config["norm_first"],
                name=f"layer_{number}",
            )(values, padding_mask=mask)
        return keras.Model({"src": given, "padding_mask": mask}, values)

    def cases(self, config: Mapping[str, Any], seed: int) -> Sequence[Case]:
        """Return noise: a whole example, and one with padding at its end."""
        noise = np.random.default_rng(seed).standard_normal((2, 9, config["width"]), np.float32)
        real = np.arange(9) < np.array([[9], [6]])
        torch = {"src": noise, "src_key_padding_mask": ~real}
        return (Case("noise", torch, {"src": noise, "padding_mask": real}, {"time": real}),)

    def tflite(self, config: Mapping[str, Any]) -> Sequence[Signature]:
        """Return the signature of one example, with other noise to calibrate on."""
        noise = [case for seed in range(1, 51) for case in self.cases(config, seed)]
        return (Signature.of(noise[0], noise),)

    def vary(self, config: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Return other numbers of heads and layers, the activations, the places of the norms."""
        width, heads = config["width"], config["heads"]
        other = [number for number in (1, 2, 3, 4) if width % number == 0 and number != heads]
        return [
            *({"heads": number} for number in other[:2]),
            {"layers": 1},
            {"inner": 2 * width},
            *({"activation": name} for name in ("relu", "gelu", "silu")),
            *({"norm_first": first} for first in (False, True)),
        ]

    def taps(self, config: object) -> Mapping[str, Tap]:
        """Return the axes of outputs."""
        return {"*": Tap("batch time channel", part=0)}
