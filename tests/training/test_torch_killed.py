"""A training in PyTorch that is killed, and resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support import killed_training
from tests.support.small_trainings import left, without_times, write_config


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(path, weights_only=True)
    return loaded


def assert_same_bits(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name].numpy(), b[name].numpy(), err_msg=name)


@pytest.mark.release
def test_killed_and_resumed(signs: Path, tmp_path: Path) -> None:
    """In the middle of an epoch, and with half a checkpoint written: it ends as if nothing had
    happened."""
    config = write_config(
        tmp_path / "model.yaml", epochs=4, save_every=3, scheduler="one-cycle", gradient_clip=1.0
    )
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    arguments = ("--config", config, "--data", signs, "--json", "--checkpoint-dir")
    unbroken = json.loads(killed_training.train("torch", *arguments, whole))
    killed_training.killed_at_step("torch", 2, 3, *arguments, broken)
    assert len((broken / "logs/log.csv").read_text().splitlines()) == 2
    again = (*arguments, broken, "--resume")
    killed_training.killed_writing("torch", "last.pth", *again)
    half = [path for path in broken.iterdir() if path.name.startswith(".last-")]
    assert 0 < half[0].stat().st_size < (broken / "last.pth").stat().st_size
    resumed = json.loads(killed_training.train("torch", *again))

    assert without_times(resumed["history"]) == without_times(unbroken["history"])
    assert resumed["test"] == unbroken["test"]
    assert resumed["best_epoch"]["epoch"] == unbroken["best_epoch"]["epoch"]
    assert left(broken) == left(whole)
    for name in ("last.pth", "best.pth", "epoch-0003.pth"):
        assert_same_bits(load(broken / name)["model"], load(whole / name)["model"])
    states = [load(folder / "last.pth")["optimizer"]["state"] for folder in (broken, whole)]
    for number in states[0]:
        assert_same_bits(states[0][number], states[1][number])
    lines = [(folder / "logs/log.csv").read_text().splitlines() for folder in (broken, whole)]
    rows = [[line.rsplit(",", 2)[0] for line in of_run] for of_run in lines]  # but for the times
    assert rows[0] == rows[1]
