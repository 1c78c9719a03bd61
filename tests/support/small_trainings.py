"""Small trainings for tests: a model, its settings, and who watches."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from signbart_port.training.history import Epoch
from signbart_port.training.request import TrainingOptions, TrainingPlan
from signbart_port.training.run import Job

Run = Callable[..., tuple[int, str, str]]
"""The fixture `run_main`."""

MODEL: dict[str, Any] = {
    "d_model": 16,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_layers": 1,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 20,
    "max_position_embeddings": 64,
    "keypoint_config": "pose_hands",
    "activation_dropout": 0.1,
    "classifier_dropout": 0.2,
}
WITHOUT_DROPOUT = {"activation_dropout": 0.0, "classifier_dropout": 0.0}
SETTINGS: dict[str, Any] = {
    "batch_size": 5,  # of 24 clips: the last batch is smaller, and no batch is halved
    "epochs": 2,
    "learning_rate": 3e-3,
    "scheduler": "constant",
}


def write_config(path: Path, **changes: Any) -> Path:
    """Write a config file of the model and its training; a change to None leaves the key out."""
    said = MODEL | SETTINGS | changes
    path.write_text(json.dumps({key: value for key, value in said.items() if value is not None}))
    return path


def job_of(config: Path, data: Path, **override: Any) -> Job:
    plan = TrainingPlan(
        TrainingOptions(config=str(config), override={"data_root": data, **override})
    )
    return plan.job(plan.data.parts(plan.settings), plan.settings)


@dataclass
class Seen:
    """A Watcher that remembers."""

    begun: list[tuple[int, int]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    ended_: list[tuple[Epoch, bool]] = field(default_factory=list)

    def begins(self, epoch: int, steps: int) -> None:
        self.begun.append((epoch, steps))

    def step(self, loss: float) -> None:
        self.losses.append(loss)

    def ended(self, epoch: Epoch, is_best: bool) -> None:
        self.ended_.append((epoch, is_best))


def left(folder: Path) -> list[str]:
    """Return every file of a folder, hidden ones too, but for TensorBoard's and the lock."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "tfevents" not in path.name and path.name != ".lock"
    )


def without_times(history: Any) -> list[dict[str, Any]]:
    """Return the log as it is on every machine: of plain epochs, or of Epochs."""
    plain = [dict(epoch) if isinstance(epoch, dict) else vars(epoch) for epoch in history]
    return [
        {name: value for name, value in epoch.items() if name not in ("seconds", "waiting")}
        for epoch in plain
    ]
