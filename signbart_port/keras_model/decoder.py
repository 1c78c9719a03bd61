"""The decoder: it reads the y coordinates and attends to the encoder."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from signbart_port.config import SignBartConfig
from signbart_port.keras_model.attention import Attention
from signbart_port.keras_model.layers import (
    ConfigLayer,
    LastFrame,
    PositionalEmbedding,
    Tensor,
)
from signbart_port.keras_model.masks import causal_mask, last_frame, padding_mask
from signbart_port.keras_model.rounding import rounded


@keras.saving.register_keras_serializable("signbart_port")
class DecoderLayer(ConfigLayer):
    """Causal self-attention, cross-attention and a feed-forward network, post-norm."""

    def __init__(self, config: SignBartConfig | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        c = self.config
        sizes = (c.d_model, c.decoder_attention_heads, c.attention_dropout)
        self.self_attn = Attention(*sizes, name="self_attn", dtype=self.dtype_policy)
        self.self_attn_layer_norm = self.layer_norm("self_attn_layer_norm")
        self.encoder_attn = Attention(*sizes, name="encoder_attn", dtype=self.dtype_policy)
        self.encoder_attn_layer_norm = self.layer_norm("encoder_attn_layer_norm")
        self.activation_fn = self.gelu("activation_fn")
        self.fc1 = self.dense(c.decoder_ffn_dim, "fc1")
        self.fc2 = self.dense(c.d_model, "fc2")
        self.final_layer_norm = self.layer_norm("final_layer_norm")
        self.dropout = self.drop(c.dropout, "dropout")
        self.activation_dropout = self.drop(c.activation_dropout, "activation_dropout")

    def build(self, input_shape: Any) -> None:
        inner = (*input_shape[:2], self.config.decoder_ffn_dim)
        for layer in (
            self.self_attn,
            self.self_attn_layer_norm,
            self.encoder_attn,
            self.encoder_attn_layer_norm,
            self.fc1,
            self.final_layer_norm,
            self.dropout,
        ):
            layer.build(input_shape)
        for layer in (self.activation_fn, self.activation_dropout, self.fc2):
            layer.build(inner)

    def call(
        self,
        hidden_states: Tensor,
        mask: Tensor,
        encoder_states: Tensor,
        encoder_mask: Tensor,
        query: Tensor | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """Map `hidden_states`, `encoder_states` (B, T, d_model) to (B, Q, d_model).

        `mask` (B, 1, Q, T) and `encoder_mask` (B, 1, 1, T) are added to the scores. With `query`
        (B, 1, d_model), the state of a single frame, Q is 1: at inference, that frame's state is
        all that is computed.
        """
        h = hidden_states if query is None else query
        attended = self._attend(self.self_attn, h, hidden_states, mask, query, training)
        h = self.self_attn_layer_norm(h + self.dropout(attended, training=training))
        attended = self._attend(self.encoder_attn, h, encoder_states, encoder_mask, query, training)
        h = self.encoder_attn_layer_norm(h + self.dropout(attended, training=training))
        ffn = rounded(self, "activated", self.activation_fn(self.fc1(h)))
        ffn = self.activation_dropout(ffn, training=training)
        return self.final_layer_norm(h + self.dropout(self.fc2(ffn), training=training))

    def _attend(
        self,
        attn: Attention,
        queries: Tensor,
        memory: Tensor,
        mask: Tensor,
        query: Tensor | None,
        training: bool | None,
    ) -> Tensor:
        if query is None:
            return attn(queries, memory, mask, training=training)
        return attn.of_one_query(queries, memory, mask)


@keras.saving.register_keras_serializable("signbart_port")
class Decoder(ConfigLayer):
    """Positions, LayerNorm, then the layers."""

    def __init__(self, config: SignBartConfig | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.embed_positions = PositionalEmbedding(
            self.config, name="embed_positions", dtype=self.dtype_policy
        )
        self.layernorm_embedding = self.layer_norm("layernorm_embedding")
        self.layers = [
            DecoderLayer(self.config, name=f"layers.{i}", dtype=self.dtype_policy)
            for i in range(self.config.decoder_layers)
        ]
        self.dropout = self.drop(self.config.dropout, "dropout")
        self.last_frame = LastFrame(name="last_frame", dtype=self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        for layer in (self.embed_positions, self.layernorm_embedding, self.dropout, *self.layers):
            layer.build(input_shape)
        self.last_frame.build(input_shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def call(
        self,
        embeddings: Tensor,
        attention_mask: Tensor,
        encoder_states: Tensor,
        last_frame_only: bool = False,
        mask_bound: float | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """Map `embeddings`, `encoder_states` (B, T, d_model) and a mask (B, T) to (B, T, d_model).

        With `last_frame_only` the last layer computes the state of the last real frame alone, the
        one that is classified, and (B, 1, d_model) is returned. `mask_bound` is for integer graphs:
        see `masks`.
        """
        h = self.layernorm_embedding(embeddings + self.embed_positions(embeddings))
        h = self.dropout(h, training=training)
        encoder_mask = padding_mask(attention_mask, self.compute_dtype, mask_bound)
        every = ops.arange(ops.shape(h)[1], dtype="int32")[:, None]
        mask = causal_mask(every, attention_mask, self.compute_dtype, mask_bound)
        query = None
        for layer in self.layers:
            if last_frame_only and layer is self.layers[-1]:
                last = last_frame(attention_mask)[:, None, None, None]
                mask = causal_mask(last, attention_mask, self.compute_dtype, mask_bound)
                query = self.last_frame(h, attention_mask)
            h = layer(h, mask, encoder_states, encoder_mask, query, training=training)
        return h
