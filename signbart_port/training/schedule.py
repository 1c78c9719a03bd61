"""Learning rates: PyTorch's ReduceLROnPlateau and OneCycleLR as plain functions.

A rate depends on the settings and on the log, on no state of its own. So both frameworks have the
same one, and so does a training that was killed and resumed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from signbart_port.config.training import Settings

# The defaults of torch.optim.lr_scheduler.
_THRESHOLD = 1e-4  # of ReduceLROnPlateau: a loss must be lower by this share to be better
_LEAST = 1e-8  # of ReduceLROnPlateau: it lowers a rate by no less
_RISING, _FIRST, _LAST = 0.3, 1 / 25, 1e-4  # of OneCycleLR: share of the steps; of the highest


def learning_rate(settings: Settings, losses: Sequence[float], step: int, steps: int) -> float:
    """Return the rate of step `step`, from 0, of all `steps`, after epochs of these validation
    `losses`."""
    if settings.scheduler == "plateau":
        rate = settings.learning_rate
        for _ in range(_plateaus(losses, settings.patience)):
            lower = rate * settings.factor
            rate = lower if rate - lower > _LEAST else rate
        return rate
    if settings.scheduler == "one-cycle":
        return settings.learning_rate * _one_cycle(step, steps)
    return settings.learning_rate


def _plateaus(losses: Sequence[float], patience: int) -> int:
    """Return how often more than `patience` epochs in a row brought no better loss."""
    lowest, bad, plateaus = math.inf, 0, 0
    for loss in losses:
        if loss < lowest * (1 - _THRESHOLD):
            lowest, bad = loss, 0
        else:
            bad += 1
        if bad > patience:
            plateaus, bad = plateaus + 1, 0
    return plateaus


def _one_cycle(step: int, steps: int) -> float:
    """Return a step's share of the highest rate: up by half a cosine, and down by another."""
    top = _RISING * steps - 1
    if step <= top:
        return _cosine(_FIRST, 1, step / top)
    return _cosine(1, _FIRST * _LAST, (step - top) / (steps - 1 - top))


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * done))
