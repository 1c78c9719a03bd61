"""Multi-head attention."""

from __future__ import annotations

from torch import Tensor, nn


class Attention(nn.Module):
    """BART's attention: the query is scaled after its projection, weight and bias both."""

    def __init__(self, d_model: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.scaling = (d_model // heads) ** -0.5
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.q_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """Map `queries` (B, Q, d_model), `memory` (B, T, d_model) to (B, Q, d_model).

        `mask` (B, 1, 1 or Q, T) is added to the scores.
        """
        q = self.split(self.q_proj(queries) * self.scaling)
        k = self.split(self.k_proj(memory))
        v = self.split(self.v_proj(memory))
        weights = (q @ k.transpose(-1, -2) + mask).softmax(dim=-1)
        return self.out_proj(self.merge(self.dropout(weights) @ v))

    def split(self, states: Tensor) -> Tensor:
        """Map (B, T, d_model) to (B, heads, T, head_dim)."""
        return states.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def merge(self, states: Tensor) -> Tensor:
        """Map (B, heads, T, head_dim) to (B, T, d_model)."""
        return states.transpose(1, 2).flatten(-2)
