"""The layers before and after the two stacks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pt_reference.masks import last_frame
from signbart_port.config import SignBartConfig

POSITION_OFFSET = 2  # BART's: rows 0 and 1 of the table are never read


class Projection(nn.Module):
    """The joints' x and y coordinates, each to its own embedding."""

    def __init__(self, config: SignBartConfig) -> None:
        super().__init__()
        self.proj_x1 = nn.Linear(len(config.joint_idx), config.d_model)
        self.proj_y1 = nn.Linear(len(config.joint_idx), config.d_model)
        self.select = config.layout == "full"
        joints = torch.tensor(config.joint_idx)
        self.register_buffer("joint_idx", joints, persistent=False)  # not in the checkpoints
        self.joint_idx: Tensor

    def forward(self, keypoints: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, T, K, 2) to two of (B, T, d_model)."""
        if self.select:
            keypoints = keypoints[:, :, self.joint_idx, :]
        return self.proj_x1(keypoints[..., 0]), self.proj_y1(keypoints[..., 1])


class PositionalEmbedding(nn.Embedding):
    """Learned positions: frame t reads row t + 2."""

    def __init__(self, config: SignBartConfig) -> None:
        super().__init__(config.max_position_embeddings + POSITION_OFFSET, config.d_model)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Map (B, T, d_model) to (1, T, d_model), the first T positions."""
        frames, most = hidden_states.shape[1], self.num_embeddings - POSITION_OFFSET
        if not 1 <= frames <= most:
            raise ValueError(f"{frames} frames: this model takes 1 to {most}")
        return self.weight[None, POSITION_OFFSET : POSITION_OFFSET + frames]


class LastFrame(nn.Module):
    """The state of each clip's last real frame."""

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Map `hidden_states` (B, T, d_model), `attention_mask` (B, T) to (B, 1, d_model)."""
        rows = torch.arange(len(hidden_states), device=hidden_states.device)
        return hidden_states[rows, last_frame(attention_mask)][:, None]


class ClassificationHead(nn.Module):
    """The decoder state of the last real frame, to logits."""

    def __init__(self, config: SignBartConfig) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.out_proj = nn.Linear(config.d_model, config.num_labels)

    def forward(self, state: Tensor) -> Tensor:
        """Map (B, 1, d_model) to (B, num_labels)."""
        return self.out_proj(self.dropout(state.flatten(1)))
