"""The layers before and after the two stacks."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import keras
from keras import ops

from signbart_port.config import SignBartConfig
from signbart_port.keras_model.masks import last_frame
from signbart_port.keras_model.rounding import rounded

POSITION_OFFSET = 2  # BART's: rows 0 and 1 of the table are never read
LAYER_NORM_EPSILON = 1e-5  # PyTorch's default; Keras' is 1e-3
Tensor = Any


@keras.saving.register_keras_serializable("signbart_port")
def exact_gelu(x: Tensor) -> Tensor:
    """Return GELU in the form of the error function, xΦ(x), in the precision of `x`.

    Keras' own rounds √2 to float32, which in float64 costs half of the digits.
    """
    return 0.5 * x * ops.erfc(-x * math.sqrt(0.5))


@keras.saving.register_keras_serializable("signbart_port")
class LayerNorm(keras.layers.LayerNormalization):
    """Keras' layer, with the mean subtracted before anything is scaled.

    Keras computes x·s + (β - mean·s): the two terms cancel, which costs about a bit of the result.
    """

    def call(self, inputs: Tensor) -> Tensor:
        at = partial(rounded, self)
        inputs = ops.cast(at("sum", inputs), self.variable_dtype)  # as PyTorch in mixed precision
        difference = inputs - at("mean", ops.mean(inputs, axis=-1, keepdims=True))
        squares = at("squares", ops.square(difference))
        variance = at("variance", ops.mean(squares, axis=-1, keepdims=True))
        inverse = at("inverse", ops.rsqrt(variance + self.epsilon))
        normal = at("normal", at("centred", difference) * inverse)
        scaled = at("scaled", normal * at("gamma", self.gamma))
        return ops.cast(at("output", scaled + at("beta", self.beta)), self.compute_dtype)


@keras.saving.register_keras_serializable("signbart_port")
class Dense(keras.layers.Dense):
    """Keras' layer, which names its places (see `rounding`)."""

    @property
    def kernel(self) -> Tensor:
        return rounded(self, "kernel", super().kernel)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        inputs = rounded(self, "input", inputs)
        return rounded(self, "output", super().call(inputs, training=training))


class ConfigLayer(keras.layers.Layer):
    """A layer made of a SignBartConfig."""

    def __init__(self, config: SignBartConfig | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = SignBartConfig.of(config)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"config": self.config.model_dump()}

    def dense(self, units: int, name: str) -> Dense:
        return Dense(units, name=name, dtype=self.dtype_policy)

    def layer_norm(self, name: str) -> LayerNorm:
        return LayerNorm(epsilon=LAYER_NORM_EPSILON, name=name, dtype=self.dtype_policy)

    def gelu(self, name: str) -> keras.layers.Activation:
        return keras.layers.Activation(exact_gelu, name=name, dtype=self.dtype_policy)

    def drop(self, rate: float, name: str) -> keras.layers.Dropout:
        return keras.layers.Dropout(rate, name=name, dtype=self.dtype_policy)


@keras.saving.register_keras_serializable("signbart_port")
class Projection(ConfigLayer):
    """The joints' x and y coordinates, each to its own embedding."""

    def __init__(self, config: SignBartConfig | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.proj_x1 = self.dense(self.config.d_model, "proj_x1")
        self.proj_y1 = self.dense(self.config.d_model, "proj_y1")

    def build(self, input_shape: Any) -> None:
        picked = (*input_shape[:2], len(self.config.joint_idx))
        self.proj_x1.build(picked)
        self.proj_y1.build(picked)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return ((*input_shape[:2], self.config.d_model),) * 2

    def call(self, keypoints: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, T, K, 2) to two of (B, T, d_model)."""
        if self.config.layout == "full":
            keypoints = ops.take(keypoints, self.config.joint_idx, axis=2)
        keypoints = rounded(self, "keypoints", keypoints)
        # On phones a slice of every other number takes as long as the projection of it.
        x, y = ops.split(ops.transpose(keypoints, (3, 0, 1, 2)), 2)
        return self.proj_x1(ops.squeeze(x, 0)), self.proj_y1(ops.squeeze(y, 0))


@keras.saving.register_keras_serializable("signbart_port")
class PositionalEmbedding(ConfigLayer):
    """Learned positions: frame t reads row t + 2."""

    def build(self, input_shape: Any) -> None:
        rows = self.config.max_position_embeddings + POSITION_OFFSET
        self.embeddings = self.add_weight(
            shape=(rows, self.config.d_model), initializer="random_normal", name="embeddings"
        )

    def call(self, hidden_states: Tensor) -> Tensor:
        """Map (B, T, d_model) to (1, T, d_model), the first T positions."""
        frames, most = ops.shape(hidden_states)[1], self.config.max_position_embeddings
        if isinstance(frames, int) and not 1 <= frames <= most:
            raise ValueError(f"{frames} frames: this model takes 1 to {most}")
        table = ops.convert_to_tensor(self.embeddings)
        rows = table[None, POSITION_OFFSET : POSITION_OFFSET + frames]
        return rounded(self, "rows", rows)


@keras.saving.register_keras_serializable("signbart_port")
class LastFrame(keras.layers.Layer):
    """The state of each clip's last real frame.

    Picked by a product with a one-hot row: gather by index has no plain form on phones.
    """

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], 1, input_shape[2])

    def call(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Map `hidden_states` (B, T, d_model), `attention_mask` (B, T) to (B, 1, d_model)."""
        last = last_frame(attention_mask)
        frames = ops.arange(ops.shape(attention_mask)[1], dtype="int32")
        one_hot = ops.cast(ops.equal(frames, last[:, None, None]), self.compute_dtype)
        return rounded(self, "output", one_hot @ hidden_states)


@keras.saving.register_keras_serializable("signbart_port")
class ClassificationHead(ConfigLayer):
    """The decoder state of the last real frame, to logits."""

    def __init__(self, config: SignBartConfig | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.dropout = self.drop(self.config.classifier_dropout, "dropout")
        self.out_proj = self.dense(self.config.num_labels, "out_proj")

    def build(self, input_shape: Any) -> None:
        self.dropout.build((input_shape[0], self.config.d_model))
        self.out_proj.build((input_shape[0], self.config.d_model))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], self.config.num_labels)

    def call(self, state: Tensor, training: bool | None = None) -> Tensor:
        """Map (B, 1, d_model) to (B, num_labels)."""
        state = ops.reshape(state, (-1, self.config.d_model))
        return self.out_proj(self.dropout(state, training=training))
