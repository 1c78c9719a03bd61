"""Multi-head attention."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from signbart_port.keras_model.layers import Dense, Tensor
from signbart_port.keras_model.rounding import rounded


@keras.saving.register_keras_serializable("signbart_port")
class Attention(keras.layers.Layer):
    """BART's attention: the query is scaled after its projection, weight and bias both."""

    def __init__(self, d_model: int, heads: int, dropout: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.d_model, self.heads, self.rate = d_model, heads, dropout
        self.scaling = (d_model // heads) ** -0.5
        policy = self.dtype_policy
        self.k_proj = Dense(d_model, name="k_proj", dtype=policy)
        self.v_proj = Dense(d_model, name="v_proj", dtype=policy)
        self.q_proj = Dense(d_model, name="q_proj", dtype=policy)
        self.out_proj = Dense(d_model, name="out_proj", dtype=policy)
        self.dropout = keras.layers.Dropout(dropout, name="dropout", dtype=policy)

    def get_config(self) -> dict[str, Any]:
        sizes = {"d_model": self.d_model, "heads": self.heads, "dropout": self.rate}
        return super().get_config() | sizes

    def build(self, input_shape: Any) -> None:
        for dense in (self.k_proj, self.v_proj, self.q_proj, self.out_proj):
            dense.build(input_shape)
        self.dropout.build((input_shape[0], self.heads, input_shape[1], None))

    def call(
        self, queries: Tensor, memory: Tensor, mask: Tensor, training: bool | None = None
    ) -> Tensor:
        """Map `queries` (B, Q, d_model), `memory` (B, T, d_model) to (B, Q, d_model).

        `mask` (B, 1, 1 or Q, T) is added to the scores.
        """
        q = self.split(self.q_proj(queries) * self.scaling)
        k = self.split(self.k_proj(memory))
        v = self.split(self.v_proj(memory))
        weights = self.weights_of(q @ ops.swapaxes(k, -1, -2), mask)
        attended = rounded(self, "attended", self.dropout(weights, training=training) @ v)
        return self.out_proj(self.merge(attended))

    def of_one_query(self, query: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """Attend with a single query (B, 1, d_model), at inference: without keys and values.

        q·(W h + b) is (Wᵀq)·h plus what is equal for every key, which softmax ignores; and weights
        that sum to one give Σ w (W h + b) = W (Σ w h) + b. So each head's projections are done once
        instead of for every one of the T frames: `heads` rows stand for T.
        """
        own = ops.cast(np.eye(self.heads)[:, :, None], self.compute_dtype)  # 1 where it is its own
        batch, head_dim = ops.shape(query)[0], self.d_model // self.heads
        parts = (batch, -1, self.heads, head_dim)
        q = ops.reshape(self.q_proj(query) * self.scaling, parts) * own
        q = ops.reshape(q, (batch, self.heads, self.d_model))  # of each head, zero elsewhere
        q = rounded(self, "query", q @ ops.transpose(self.k_proj.kernel))
        weights = self.weights_of(q @ ops.swapaxes(memory, -1, -2), mask[:, 0])
        v = self.v_proj(rounded(self, "pooled", weights @ memory))
        attended = rounded(self, "attended", ops.sum(ops.reshape(v, parts) * own, axis=1))
        return self.out_proj(ops.reshape(attended, (batch, 1, self.d_model)))

    def weights_of(self, scores: Tensor, mask: Tensor) -> Tensor:
        """Turn scores (..., Q, T), after adding a mask, into weights that sum to one."""
        masked = rounded(self, "masked", rounded(self, "scores", scores) + mask)
        return rounded(self, "weights", ops.softmax(masked))

    def split(self, states: Tensor) -> Tensor:
        """Map (B, T, d_model) to (B, heads, T, head_dim)."""
        batch, frames = ops.shape(states)[:2]
        head_dim = self.d_model // self.heads
        return ops.swapaxes(ops.reshape(states, (batch, frames, self.heads, head_dim)), 1, 2)

    def merge(self, states: Tensor) -> Tensor:
        """Map (B, heads, T, head_dim) to (B, T, d_model)."""
        batch, frames = ops.shape(states)[0], ops.shape(states)[2]
        return ops.reshape(ops.swapaxes(states, 1, 2), (batch, frames, self.d_model))
