"""The encoder: it reads the x coordinates."""

from __future__ import annotations

from torch import Tensor, nn

from pt_reference.attention import Attention
from pt_reference.layers import PositionalEmbedding
from pt_reference.masks import padding_mask
from signbart_port.config import SignBartConfig


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network, each with a residual and a LayerNorm after it."""

    def __init__(self, config: SignBartConfig) -> None:
        super().__init__()
        self.self_attn = Attention(
            config.d_model, config.encoder_attention_heads, config.attention_dropout
        )
        self.self_attn_layer_norm = nn.LayerNorm(config.d_model)
        self.activation_fn = nn.GELU()
        self.fc1 = nn.Linear(config.d_model, config.encoder_ffn_dim)
        self.fc2 = nn.Linear(config.encoder_ffn_dim, config.d_model)
        self.final_layer_norm = nn.LayerNorm(config.d_model)
        self.dropout = nn.Dropout(config.dropout)
        self.activation_dropout = nn.Dropout(config.activation_dropout)

    def forward(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        """Map `hidden_states` (B, T, d_model), `mask` (B, 1, 1, T) to (B, T, d_model)."""
        h = hidden_states
        h = self.self_attn_layer_norm(h + self.dropout(self.self_attn(h, h, mask)))
        ffn = self.activation_dropout(self.activation_fn(self.fc1(h)))
        return self.final_layer_norm(h + self.dropout(self.fc2(ffn)))


class Encoder(nn.Module):
    """Positions, LayerNorm, then the layers."""

    def __init__(self, config: SignBartConfig) -> None:
        super().__init__()
        self.embed_positions = PositionalEmbedding(config)
        self.layernorm_embedding = nn.LayerNorm(config.d_model)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, embeddings: Tensor, attention_mask: Tensor) -> Tensor:
        """Map `embeddings` (B, T, d_model), `attention_mask` (B, T) to (B, T, d_model)."""
        h = self.layernorm_embedding(embeddings + self.embed_positions(embeddings))
        h = self.dropout(h)
        mask = padding_mask(attention_mask, h.dtype)
        for layer in self.layers:
            h = layer(h, mask)
        return h
