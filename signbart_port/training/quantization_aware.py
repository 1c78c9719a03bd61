"""Quantization-aware training: a SignBART that computes as the int8 .tflite of it will.

In every forward pass each kernel is rounded to int8, and so is what each operator gives: where, how
and in what ranges the emitted file does it (see `rounding` for the places). The rounding itself is
TensorFlow's own, `fake_quant_with_min_max_vars`: zero is one of its steps, and its gradient is that
of the values themselves, but none where they were cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from signbart_port.config import SignBartConfig
from signbart_port.data.model_interface import longest_clip
from signbart_port.keras_model.layers import Dense, LayerNorm, Tensor
from signbart_port.keras_model.model import SignBart
from signbart_port.keras_model.rounding import rounding
from signbart_port.tflite_export import converter_rewrites, quantization
from signbart_port.tflite_export.conversion import MASK_BOUND

_ROOM = quantization.ROOM[8]
_SOFTMAX = 0.0, 255 / 256
"""The range of what LiteRT's softmax gives, whatever was seen."""
_SMALLEST = 1e-9
"""ai-edge-quantizer takes this for the largest value of a channel of zeros."""


def quantization_aware(model: SignBart, forgetting: float = 0.01) -> QuantizationAware:
    """Return a model to compile and fit in place of a float32 model, which learns through it.

    `forgetting` is the part by which a range shrinks toward that of a batch that does not fill it.
    Raises ValueError for a model that does not compute in float32.
    """
    return QuantizationAware(model, forgetting)


@keras.saving.register_keras_serializable("signbart_port")
class QuantizationAware(keras.Model):
    """A model with the inputs and outputs of its `signbart`, the model that has all the weights.

    That one is the plain model at any time, called or saved, and knows nothing of this one.
    `ranges` (places, 2) are the smallest and the largest value of each of `places`. In training,
    every batch first goes through the plain model for them, without dropout and with its padded
    frames, as in the calibration of a file. What has not been seen yet is not rounded.
    """

    def __init__(
        self,
        signbart: SignBart,
        forgetting: float = 0.01,
        name: str = "quantization_aware",
        **kwargs: Any,
    ) -> None:
        if signbart.get_layer("encoder").compute_dtype != "float32":
            raise ValueError("int8 is simulated in float32: take a model of this dtype")
        super().__init__(name=name, **kwargs)
        self.signbart, self.forgetting = signbart, forgetting
        self._moved = _moved_biases(signbart)
        self.places = _places(signbart)
        self.ranges = self.add_weight(
            shape=(len(self.places), 2),
            initializer="zeros",
            trainable=False,
            aggregation="mean",  # of the machines that share a batch
            name="ranges",
        )
        self.built = True

    @property
    def config(self) -> SignBartConfig:
        return self.signbart.config

    def get_config(self) -> dict[str, Any]:
        of_model = self.signbart.get_config()
        return {"signbart": of_model, "forgetting": self.forgetting, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> QuantizationAware:
        return cls(**config | {"signbart": SignBart.from_config(config["signbart"])})

    def call(
        self, keypoints: Any, attention_mask: Tensor = None, training: bool | None = None
    ) -> Tensor:
        """Return logits (B, num_labels), as an int8 file computes them; inputs as SignBart takes
        them.

        In training, the last decoder layer, which computes a single frame, drops no attention.
        """
        if attention_mask is None:
            keypoints, attention_mask = keypoints["keypoints"], keypoints["attention_mask"]
        if not training:
            return ops.cond(
                ops.any(self.ranges != 0),
                lambda: self._simulated(keypoints, attention_mask, training=False),
                lambda: self.signbart.classify(keypoints, attention_mask, MASK_BOUND),
            )
        self.observe(keypoints, attention_mask)
        unread = converter_rewrites.left_out(self.config)
        # Their gradient is zero: of weights that have none, Keras would warn.
        none = 0.0 * sum(ops.sum(w) for w in self.signbart.weights if w.path in unread)
        return self._simulated(keypoints, attention_mask, training=True) + none

    def observe(self, keypoints: Tensor, attention_mask: Tensor) -> None:
        """Widen the ranges to the plain model's values on a batch; where they are wider, narrow
        them a little."""
        lows: dict[str, Tensor] = {}
        highs: dict[str, Tensor] = {}
        shifts = self._shifts()

        def see(layer: keras.layers.Layer, place: str, values: Tensor) -> Tensor:
            path = _path(layer, place)
            if path in self.places:
                shifted = values + shifts[path] if path in shifts else values
                lows[path], highs[path] = ops.min(shifted), ops.max(shifted)
                if place == "masked":  # as `quantizing` bounds it
                    bound = ops.minimum(lows[_path(layer, "scores")], 0.0) - _ROOM
                    lows[path] = ops.maximum(lows[path], bound)
            return values

        with rounding(see):
            self.signbart.classify(keypoints, attention_mask, MASK_BOUND, training=False)
        low = ops.minimum(ops.stack([lows[path] for path in self.places]), 0.0)
        high = ops.maximum(ops.stack([highs[path] for path in self.places]), 0.0)
        nearer = self.ranges + self.forgetting * (ops.stack([low, high], axis=1) - self.ranges)
        low, high = ops.minimum(low, nearer[:, 0]), ops.maximum(high, nearer[:, 1])
        self.ranges.assign(ops.stack([low, high], axis=1))

    def _simulated(self, keypoints: Tensor, attention_mask: Tensor, training: bool) -> Tensor:
        with rounding(_Simulation(self.places, self.ranges, self._shifts())):
            return self.signbart.classify(keypoints, attention_mask, MASK_BOUND, training)

    def _shifts(self) -> dict[str, Tensor]:
        """Return what is added to the values of a place before rounding, and subtracted after
        it."""
        weights = {weight.path: weight for weight in self.signbart.weights}
        return {place: sign * weights[bias] for place, (bias, sign) in self._moved.items()}


class _Simulation:
    """The rule of one forward pass: what an int8 graph goes on with.

    Gamma and beta of a LayerNorm are moved into the Dense that reads it, as the converter does (see
    `tflite.rewriting`): that is fed what the LayerNorm has before it applies them.
    """

    def __init__(
        self, places: Mapping[str, int], ranges: Tensor, shifts: Mapping[str, Tensor]
    ) -> None:
        bounds = ops.stop_gradient(ops.convert_to_tensor(ranges))
        lows, highs = ops.unstack(bounds[:, 0]), ops.unstack(bounds[:, 1])
        self._ranges = {place: (lows[row], highs[row]) for place, row in places.items()}
        self._shifts = shifts
        self._normal: Tensor = None
        self._norms: dict[int, tuple[Tensor, LayerNorm, Tensor]] = {}  # by the id of the output
        self._dense: Dense | None = None  # the one that is computing
        self._norm: LayerNorm | None = None  # the one that it reads
        self._carried: Tensor = None  # what beta adds to its bias

    def __call__(self, layer: keras.layers.Layer, place: str, values: Tensor) -> Tensor:
        match layer, place:
            case Dense(), "input":
                self._dense, self._norm = layer, None
                if id(values) in self._norms:
                    _, self._norm, values = self._norms[id(values)]
                return values
            case Dense(), "kernel":
                return self._kernel(layer, ops.convert_to_tensor(values))
            case Dense(), "output":
                self._dense = None
                if self._norm is not None:
                    values += self._carried
            case _, "weights":
                return per_tensor(values, *_SOFTMAX)
        rounded = self._rounded(_path(layer, place), values)
        match layer, place:
            case LayerNorm(), "normal":
                self._normal = rounded
            case LayerNorm(), "output":
                self._norms[id(rounded)] = rounded, layer, self._normal
        return rounded

    def _rounded(self, path: str, values: Tensor) -> Tensor:
        if path not in self._shifts:
            return per_tensor(values, *self._ranges[path])
        shift = self._shifts[path]
        return per_tensor(values + shift, *self._ranges[path]) - shift

    def _kernel(self, dense: Dense, kernel: Tensor) -> Tensor:
        if dense is not self._dense:  # used without its layer, the other way round
            return per_channel(kernel, axis=0)
        if self._norm is not None:
            self._carried = ops.matmul(self._norm.beta, kernel)
            kernel = self._norm.gamma[:, None] * kernel
        return per_channel(kernel, axis=1)


def per_tensor(values: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Round values to 255 steps from `low` to `high`, at most and at least 0, moved so that zero is
    one of them."""
    return tf.quantization.fake_quant_with_min_max_vars(values, low, high)


def per_channel(kernel: Tensor, axis: int) -> Tensor:
    """Round a kernel (in, out) to steps from -127 to 127, with a step size for each index along an
    axis."""
    most = ops.maximum(ops.max(ops.abs(kernel), axis=1 - axis), _SMALLEST)
    return keras.quantizers.fake_quant_with_min_max_vars(
        kernel, -most, most, narrow_range=True, axis=axis
    )


def _path(layer: keras.layers.Layer, place: str) -> str:
    return f"{layer.path}/{place}"


def _places(model: SignBart) -> dict[str, int]:
    """Number the places whose ranges must be observed, in the order of a forward pass."""
    rows: dict[str, int] = {}

    def number(layer: keras.layers.Layer, place: str, values: Tensor) -> Tensor:
        if place not in ("input", "kernel", "weights"):
            rows[_path(layer, place)] = len(rows)
        return values

    keypoints = np.zeros((1, 2, model.config.keypoints, 2), np.float32)
    with rounding(number):
        model.classify(keypoints, np.ones((1, 2), np.float32))
    return rows


def _moved_biases(model: SignBart) -> dict[str, tuple[str, float]]:
    """Return the places that have a bias more (1) or less (-1) in an int8 graph, which adds the
    biases of the projections to the positions."""
    tensors = {weight.path: weight.numpy() for weight in model.weights}
    moved = {}
    for path in tensors:
        table, _, leaf = path.rpartition("/")
        if leaf == "embeddings":
            form = next(
                converter_rewrites.forms(path, model.config, tensors, longest_clip(model.config))
            )
            (bias,) = form.also
            moved[f"{table}/rows"] = bias, 1.0
            moved[f"{bias.rpartition('/')[0]}/output"] = bias, -1.0
    return moved
