"""The decoder: it reads the y coordinates and attends to the encoder."""

from __future__ import annotations

from torch import Tensor, nn

from pt_reference.attention import Attention
from pt_reference.layers import PositionalEmbedding
from pt_reference.masks import causal_mask, padding_mask
from signbart_port.config import SignBartConfig


class DecoderLayer(nn.Module):
    """Causal self-attention, cross-attention and a feed-forward network, post-norm."""

    def __init__(self, config: SignBartConfig) -> None:
        super().__init__()
        heads, dropout = config.decoder_attention_heads, config.attention_dropout
        self.self_attn = Attention(config.d_model, heads, dropout)
        self.self_attn_layer_norm = nn.LayerNorm(config.d_model)
        self.encoder_attn = Attention(config.d_model, heads, dropout)
        self.encoder_attn_layer_norm = nn.LayerNorm(config.d_model)
        self.activation_fn = nn.GELU()
        self.fc1 = nn.Linear(config.d_model, config.decoder_ffn_dim)
        self.fc2 = nn.Linear(config.decoder_ffn_dim, config.d_model)
        self.final_layer_norm = nn.LayerNorm(config.d_model)
        self.dropout = nn.Dropout(config.dropout)
        self.activation_dropout = nn.Dropout(config.activation_dropout)

    def forward(
        self, hidden_states: Tensor, mask: Tensor, encoder_states: Tensor, encoder_mask: Tensor
    ) -> Tensor:
        """Map `hidden_states`, `encoder_states` (B, T, d_model) to (B, T, d_model).

        `mask` (B, 1, T, T) and `encoder_mask` (B, 1, 1, T) are added to the scores.
        """
        h = hidden_states
        h = self.self_attn_layer_norm(h + self.dropout(self.self_attn(h, h, mask)))
        attended = self.encoder_attn(h, encoder_states, encoder_mask)
        h = self.encoder_attn_layer_norm(h + self.dropout(attended))
        ffn = self.activation_dropout(self.activation_fn(self.fc1(h)))
        return self.final_layer_norm(h + self.dropout(self.fc2(ffn)))


class Decoder(nn.Module):
    """Positions, LayerNorm, then the layers."""

    def __init__(self, config: SignBartConfig) -> None:
        super().__init__()
        self.embed_positions = PositionalEmbedding(config)
        self.layernorm_embedding = nn.LayerNorm(config.d_model)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, embeddings: Tensor, attention_mask: Tensor, encoder_states: Tensor) -> Tensor:
        """Map `embeddings`, `encoder_states` (B, T, d_model) and a mask (B, T) to (B, T,
        d_model)."""
        h = self.layernorm_embedding(embeddings + self.embed_positions(embeddings))
        h = self.dropout(h)
        encoder_mask = padding_mask(attention_mask, h.dtype)
        mask = causal_mask(h.shape[1], h.dtype, h.device) + encoder_mask
        for layer in self.layers:
            h = layer(h, mask, encoder_states, encoder_mask)
        return h
