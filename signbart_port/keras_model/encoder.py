"""The encoder: it reads the x coordinates."""

from __future__ import annotations

from typing import Any

import keras

from signbart_port.config import SignBartConfig
from signbart_port.keras_model.attention import Attention
from signbart_port.keras_model.layers import ConfigLayer, PositionalEmbedding, Tensor
from signbart_port.keras_model.masks import padding_mask
from signbart_port.keras_model.rounding import rounded


@keras.saving.register_keras_serializable("signbart_port")
class EncoderLayer(ConfigLayer):
    """Self-attention and a feed-forward network, each with a residual and a LayerNorm after it."""

    def __init__(self, config: SignBartConfig | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        c = self.config
        self.self_attn = Attention(
            c.d_model,
            c.encoder_attention_heads,
            c.attention_dropout,
            name="self_attn",
            dtype=self.dtype_policy,
        )
        self.self_attn_layer_norm = self.layer_norm("self_attn_layer_norm")
        self.activation_fn = self.gelu("activation_fn")
        self.fc1 = self.dense(c.encoder_ffn_dim, "fc1")
        self.fc2 = self.dense(c.d_model, "fc2")
        self.final_layer_norm = self.layer_norm("final_layer_norm")
        self.dropout = self.drop(c.dropout, "dropout")
        self.activation_dropout = self.drop(c.activation_dropout, "activation_dropout")

    def build(self, input_shape: Any) -> None:
        inner = (*input_shape[:2], self.config.encoder_ffn_dim)
        for layer in (self.self_attn, self.self_attn_layer_norm, self.fc1, self.final_layer_norm):
            layer.build(input_shape)
        self.dropout.build(input_shape)
        for layer in (self.activation_fn, self.activation_dropout, self.fc2):
            layer.build(inner)

    def call(self, hidden_states: Tensor, mask: Tensor, training: bool | None = None) -> Tensor:
        """Map `hidden_states` (B, T, d_model), `mask` (B, 1, 1, T) to (B, T, d_model)."""
        h = hidden_states
        attended = self.self_attn(h, h, mask, training=training)
        h = self.self_attn_layer_norm(h + self.dropout(attended, training=training))
        ffn = rounded(self, "activated", self.activation_fn(self.fc1(h)))
        ffn = self.activation_dropout(ffn, training=training)
        return self.final_layer_norm(h + self.dropout(self.fc2(ffn), training=training))


@keras.saving.register_keras_serializable("signbart_port")
class Encoder(ConfigLayer):
    """Positions, LayerNorm, then the layers."""

    def __init__(self, config: SignBartConfig | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.embed_positions = PositionalEmbedding(
            self.config, name="embed_positions", dtype=self.dtype_policy
        )
        self.layernorm_embedding = self.layer_norm("layernorm_embedding")
        self.layers = [
            EncoderLayer(self.config, name=f"layers.{i}", dtype=self.dtype_policy)
            for i in range(self.config.encoder_layers)
        ]
        self.dropout = self.drop(self.config.dropout, "dropout")

    def build(self, input_shape: Any) -> None:
        for layer in (self.embed_positions, self.layernorm_embedding, self.dropout, *self.layers):
            layer.build(input_shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def call(
        self,
        embeddings: Tensor,
        attention_mask: Tensor,
        mask_bound: float | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """Map `embeddings` (B, T, d_model), `attention_mask` (B, T) to (B, T, d_model).

        `mask_bound` is for integer graphs: see `masks`.
        """
        h = self.layernorm_embedding(embeddings + self.embed_positions(embeddings))
        h = self.dropout(h, training=training)
        mask = padding_mask(attention_mask, self.compute_dtype, mask_bound)
        for layer in self.layers:
            h = layer(h, mask, training=training)
        return h
