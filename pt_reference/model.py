"""The whole model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pt_reference.decoder import Decoder
from pt_reference.encoder import Encoder
from pt_reference.layers import ClassificationHead, LastFrame, Projection
from signbart_port.config import SignBartConfig


class SignBart(nn.Module):
    """Isolated signs from skeleton keypoints.

    `config` may be a plain dict, as a YAML file gives it.
    """

    def __init__(self, config: SignBartConfig | Mapping[str, Any]) -> None:
        super().__init__()
        self.config = SignBartConfig.of(config)
        self.projection = Projection(self.config)
        self.encoder = Encoder(self.config)
        self.decoder = Decoder(self.config)
        self.last_frame = LastFrame()
        self.classification_head = ClassificationHead(self.config)

    def forward(
        self, keypoints: Tensor, attention_mask: Tensor, labels: Tensor | None = None
    ) -> tuple[Tensor | None, Tensor]:
        """Compute the loss and the logits.

        `keypoints` (B, T, K, 2), normalized; `attention_mask` (B, T), 1 for a real frame; `labels`
        (B,). Returns the mean cross-entropy (None without labels) and logits (B, num_labels).
        Raises ValueError for more frames than the model has positions, or fewer points than it
        reads.
        """
        self.config.check_keypoints(keypoints.shape)
        x, y = self.projection(keypoints)
        encoder_states = self.encoder(x, attention_mask)
        states = self.decoder(y, attention_mask, encoder_states)
        logits = self.classification_head(self.last_frame(states, attention_mask))
        return None if labels is None else cross_entropy(logits, labels), logits
