"""Counted operations, against PyTorch's own counter on the reference."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from pt_reference import SignBart
from signbart_port.config import SignBartConfig
from signbart_port.metrics import flops
from tests.support.small_models import LSA_64, small_config


@pytest.mark.parametrize(
    ("config", "frames"),
    [
        (small_config(), 1),
        (small_config(), 13),
        (small_config(layout="selected", encoder_layers=1), 16),
        (LSA_64, 40),
    ],
    ids=["one frame", "13", "selected", "lsa-64"],
)
def test_as_pytorch_counts(config: SignBartConfig, frames: int) -> None:
    model = SignBart(config).eval()
    with FlopCounterMode(display=False) as counter:
        model(torch.rand(1, frames, config.keypoints, 2), torch.ones(1, frames))
    assert flops.of_forward(config, frames) == counter.get_total_flops() > 0
