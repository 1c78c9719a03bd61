"""What the pairs of Hugging Face transformers and keras-hub share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from signbart_port.parity.pair import Pair

TANH_GELU = ("gelu_new", "gelu_pytorch_tanh")
"""Hugging Face's names for GELU in its approximation with tanh."""

Config = Mapping[str, Any]
"""The values of a config, in Hugging Face's names."""


class HubPair(Pair):
    """A model of Hugging Face and a backbone of keras-hub."""

    model: ClassVar[str]
    """The model's class in `transformers`."""
    backbone: ClassVar[str]
    """The backbone's class in `keras_hub.models`."""
    arguments: ClassVar[Mapping[str, tuple[str, Any]]]
    """The backbone's arguments: Hugging Face's name of each, keras-hub's name and Hugging Face's
    default."""
    fixed: ClassVar[Mapping[str, tuple[Any, tuple[Any, ...]]]]
    """The values that the backbone has no argument for: Hugging Face's name of each and default,
    and those that the backbone computes with."""
    width: ClassVar[str] = "hidden_size"
    heads: ClassVar[str] = "num_attention_heads"
    output: ClassVar[str] = ""
    """The output of the backbone that is compared, of several."""

    def read_config(self, stated: Config, stored: Config) -> Config:
        arguments = {name: default for name, (_, default) in self.arguments.items()}
        fixed = {name: default for name, (default, _) in self.fixed.items()}
        config = {**arguments, **fixed, **stored, **stated}
        for name, (_, allowed) in self.fixed.items():
            if config[name] not in allowed:
                known = f"keras-hub's {self.backbone} computes {' or '.join(map(repr, allowed))}"
                raise ValueError(f"{name} is {config[name]!r}: {known} only")
        width, heads = config[self.width], config[self.heads]
        if heads < 1 or width % heads:
            raise ValueError(f"{self.width} is {width}, no multiple of {self.heads}, {heads}")
        return config

    def torch_model(self, config: Config) -> Any:
        import transformers

        model = getattr(transformers, self.model)
        run = {"attn_implementation": "eager", "use_cache": False}
        return model(model.config_class(**{**config, **run}))

    def hub_arguments(self, config: Config) -> dict[str, Any]:
        """Return the arguments of the backbone."""
        return {theirs: config[name] for name, (theirs, _) in self.arguments.items()}

    def keras_model(self, config: Config) -> Any:
        import keras_hub

        return getattr(keras_hub.models, self.backbone)(**self.hub_arguments(config))

    def torch_output(self, outputs: Any) -> Any:
        return outputs.last_hidden_state

    def keras_output(self, outputs: Any) -> Any:
        return outputs[self.output] if self.output else outputs


def tokens(
    random: np.random.Generator, vocabulary: int, longest: int, length: int = 12
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return token ids of two texts, and the mask of what is text: of the second, two thirds; the
    rest of it is padding. Both are (2, time)."""
    length = min(longest, length)
    mask = np.ones((2, length), np.int64)
    mask[1, max(1, 2 * length // 3) :] = 0
    return random.integers(vocabulary, size=mask.shape), mask


def as_int32(**arrays: NDArray[Any]) -> dict[str, NDArray[np.int32]]:
    """Return arrays of integers as keras-hub's models take them."""
    return {name: array.astype(np.int32) for name, array in arrays.items()}
