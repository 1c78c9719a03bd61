"""The PyTorch SignBART against what the published code computed from the real checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pt_reference import SignBart
from signbart_port import config as configs
from signbart_port.data.model_inputs import Inputs
from tests.support.proofs import run_torch


@pytest.fixture(scope="module")
def model(shared_data: Path) -> SignBart:
    model = SignBart(configs.load(shared_data / "user08.yaml")).eval()
    container = torch.load(shared_data / "user08.pth", weights_only=True)
    model.load_state_dict(container["model"], strict=True)
    return model


def logits(model: SignBart, keypoints: np.ndarray, mask: np.ndarray) -> np.ndarray:
    dtype = next(model.parameters()).dtype
    with torch.inference_mode():
        return model(torch.from_numpy(keypoints).to(dtype), torch.from_numpy(mask))[1].numpy()


@pytest.mark.parametrize("part", ["", "edge_"], ids=["clips", "edges"])
def test_logits(model: SignBart, recorded: dict[str, np.ndarray], part: str) -> None:
    keypoints = recorded[f"{part}keypoints"]
    mask = recorded["edge_mask" if part else "attention_mask"]
    truth, float32 = recorded[f"{part}logits_float64"], recorded[f"{part}logits_float32"]

    mine = logits(model.float(), keypoints, mask)
    # Another processor adds in another order: as far from the truth as the recorded run, not more.
    assert np.abs(mine - float32).max() <= 2 * np.abs(float32 - truth).max()
    np.testing.assert_array_equal(mine.argmax(-1), float32.argmax(-1))

    precise = logits(model.double(), keypoints, mask)
    assert np.abs(precise - truth).max() <= 1e-12 * np.abs(truth).max()


def test_every_module(model: SignBart, recorded: dict[str, np.ndarray]) -> None:
    outputs: dict[str, np.ndarray] = {}
    inputs = Inputs((), recorded["keypoints"][:2], recorded["attention_mask"][:2])
    run_torch(model.double(), inputs, outputs.__setitem__)

    names = [name.removeprefix("module/") for name in recorded if name.startswith("module/")]
    assert len(names) == 67
    for name in names:
        truth = recorded[f"module/{name}"]
        error = np.abs(np.broadcast_to(outputs[name], truth.shape) - truth).max()
        assert error <= 1e-12 * np.abs(truth).max(), name
