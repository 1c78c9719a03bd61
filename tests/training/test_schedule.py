"""The schedules are torch.optim.lr_scheduler's, at every step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from signbart_port.config.training import Settings
from signbart_port.training.schedule import learning_rate


def an_optimizer(rate: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def losses_of(seed: int) -> list[float]:
    """Losses that fall, rise and stand still: also by less than counts as better."""
    rng = np.random.default_rng(seed)
    losses = [2.0]
    for _ in range(60):
        change = rng.choice([0.0, 3e-5, 1e-4, 2e-4, 0.02]) * rng.choice([-1, 1])
        losses.append(losses[-1] * (1 + change) if rng.random() < 0.8 else rng.uniform(0.5, 2.5))
    return losses


@pytest.mark.parametrize("seed", range(30))
def test_plateau(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rate = float(rng.choice([2e-5, 1e-3, 1.0]))
    patience, factor = int(rng.integers(0, 7)), float(rng.choice([0.1, 0.5, 0.9]))
    settings = Settings(learning_rate=rate, patience=patience, factor=factor)
    optimizer = an_optimizer(rate)
    scheduler = ReduceLROnPlateau(optimizer, factor=factor, patience=patience)
    losses, rates = losses_of(seed), []
    for done in range(len(losses)):
        rates.append(optimizer.param_groups[0]["lr"])
        assert learning_rate(settings, losses[:done], done, 1000) == rates[-1]
        scheduler.step(losses[done])
    assert len(set(rates)) > 1


def test_plateau_has_the_published_values() -> None:
    """Six epochs without a better loss, and the rate is a tenth; at last it is as low as PyTorch
    goes."""
    losses = [1.0] * 200
    rates = [learning_rate(Settings(), losses[:done], 0, 1) for done in range(200)]
    assert rates[:14] == [2e-5] * 7 + [2e-5 * 0.1] * 6 + [2e-5 * 0.1 * 0.1]
    assert min(rates) == pytest.approx(2e-9)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 10, 100, 333])
def test_one_cycle(steps: int) -> None:
    settings = Settings(scheduler="one-cycle", learning_rate=0.02)
    optimizer = an_optimizer(0.02)
    scheduler = OneCycleLR(optimizer, max_lr=0.02, total_steps=steps, cycle_momentum=False)
    for step in range(steps):
        rate = learning_rate(settings, [], step, steps)
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.step()
        if step + 1 < steps:
            scheduler.step()


def test_constant() -> None:
    settings = Settings(scheduler="constant", learning_rate=0.3)
    assert {learning_rate(settings, losses_of(0), step, 9) for step in range(9)} == {0.3}
