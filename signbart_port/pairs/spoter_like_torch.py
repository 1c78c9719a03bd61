"""A classifier of signs after the idea of SPOTER, in PyTorch: see `spoter_like`."""

from __future__ import annotations

import torch
from torch import nn


class PoseClassifier(nn.Module):
    """A transformer over the poses of a clip, which one learned query asks for the class."""

    def __init__(
        self, width: int, heads: int, inner: int, layers: int, frames: int, labels: int
    ) -> None:
        super().__init__()
        self.positions = nn.Parameter(0.1 * torch.randn(frames, width))
        self.query = nn.Parameter(0.1 * torch.randn(1, width))
        layer = nn.TransformerEncoderLayer(width, heads, inner, batch_first=True)
        # Nested tensors would leave padding out, and so change the length of the memory.
        encoder = nn.TransformerEncoder(
            layer, layers, nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.transformer = nn.Transformer(
            width,
            heads,
            num_decoder_layers=layers,
            dim_feedforward=inner,
            custom_encoder=encoder,
            batch_first=True,
        )
        self.head = nn.Linear(width, labels)

    def forward(self, poses: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, labels) of poses (batch, time, width), where the mask (batch, time)
        is 1 for a frame of the clip and 0 for padding."""
        padding = mask == 0
        found = self.transformer(
            poses + self.positions[: poses.shape[1]],
            self.query.expand(len(poses), 1, -1),
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
        )
        logits: torch.Tensor = self.head(found[:, 0])
        return logits
