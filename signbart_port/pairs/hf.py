"""What the pairs of Hugging Face transformers and keras-hub share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from signbart_port.parity.config_keys import Ignored, SameAs
from signbart_port.parity.pair import Pair

Config = Mapping[str, Any]
"""The values of a config, in Hugging Face's names."""


class HuggingFacePair(Pair):
    """A model of Hugging Face and a Keras model."""

    model: ClassVar[str]
    """The model's class in `transformers`."""
    backbone: ClassVar[str]
    """The Keras model's name in its library."""
    others: ClassVar[Mapping[str, tuple[Any, ...]]]
    """Values of some keys for `vary`, those among them that the Keras model does not compute."""
    run: ClassVar[Mapping[str, Any]] = {}
    """What PyTorch's model is told of how to run."""

    def torch_config(self, config: Config) -> Any:
        """Return the config of PyTorch's model, without the keys that are ignored."""
        import transformers

        read = {name: value for name, value in config.items() if not self._ignores(name)}
        return getattr(transformers, self.model).config_class(**read, **self.run)

    def torch_model(self, config: Config) -> Any:
        import transformers

        return getattr(transformers, self.model)(self.torch_config(config))

    def vary(self, config: Config) -> Sequence[Config]:
        """Return the `others`, one by one."""
        varied = self.varied(config)
        return [self._change(name, value) for name, values in varied.items() for value in values]

    def varied(self, config: Config) -> Mapping[str, Sequence[Any]]:
        """Return other values of some keys."""
        return self.others

    def torch_output(self, outputs: Any) -> Any:
        return outputs.last_hidden_state

    def _change(self, name: str, value: Any) -> Config:
        """Return the change of a key, and of those that must be the same."""
        same = [n for n, key in self.keys.items() if isinstance(key, SameAs) and key.other == name]
        return dict.fromkeys((name, *same), value)

    def _ignores(self, name: str) -> bool:
        return isinstance(self.keys.get(name), Ignored)


class HubPair(HuggingFacePair):
    """A transformer of Hugging Face and a backbone of `keras_hub.models`."""

    width: ClassVar[str] = "hidden_size"
    heads: ClassVar[str] = "num_attention_heads"
    output: ClassVar[str] = ""
    """The output of the backbone that is compared, of several."""
    run: ClassVar = {"attn_implementation": "eager", "use_cache": False}

    def read_config(self, stated: Config, stored: Config) -> Config:
        config: Config = super().read_config(stated, stored)
        width, heads = config[self.width], config[self.heads]
        if heads < 1 or width % heads:
            raise ValueError(f"{self.width} is {width}, no multiple of {self.heads}, {heads}")
        return config

    def keras_model(self, config: Config) -> Any:
        import keras_hub

        return getattr(keras_hub.models, self.backbone)(**self.keras_arguments(config))

    def varied(self, config: Config) -> Mapping[str, Sequence[Any]]:
        """Return other numbers of heads, and the `others`."""
        width, heads = config[self.width], config[self.heads]
        other = [number for number in (1, 2, 3, 4) if width % number == 0 and number != heads]
        return {self.heads: other[:2], **self.others}

    def keras_output(self, outputs: Any) -> Any:
        return outputs[self.output] if self.output else outputs


class EncoderDecoderPair(HubPair):
    """An encoder and a decoder, which keras-hub gives the same sizes."""

    output = "decoder_sequence_output"
    width = "d_model"
    heads = "encoder_attention_heads"


def tokens(
    random: np.random.Generator, vocabulary: int, longest: int, length: int = 12
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return token ids of two texts, and the mask of what is text: of the second, two thirds; the
    rest of it is padding. Both are (2, time)."""
    length = min(longest, length)
    mask = np.ones((2, length), np.int64)
    mask[1, max(1, 2 * length // 3) :] = 0
    return random.integers(vocabulary, size=mask.shape), mask


def image_shape(config: Config) -> tuple[int, int, int]:
    """Return the shape of an image: height, width, channels."""
    size = config["image_size"]
    height, width = (size, size) if isinstance(size, int) else size
    return height, width, config["num_channels"]


def images(
    random: np.random.Generator, config: Config
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return two images of noise, with their channels second, then the same with them last."""
    made = random.standard_normal((2, *image_shape(config))).astype(np.float32)
    return np.ascontiguousarray(np.moveaxis(made, -1, 1)), made


def as_int32(**arrays: NDArray[Any]) -> dict[str, NDArray[np.int32]]:
    """Return arrays of integers as keras-hub's models take them."""
    return {name: array.astype(np.int32) for name, array in arrays.items()}
