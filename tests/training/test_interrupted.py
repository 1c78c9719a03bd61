"""A training that ends by Ctrl-C, in either framework."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import killed_training
from tests.support.small_trainings import write_config


@pytest.mark.parametrize("engine", ["keras", "torch"])
@pytest.mark.on_commit("torch")
def test_an_epoch_that_is_not_finished_leaves_nothing(
    engine: str, signs: Path, tmp_path: Path
) -> None:
    config = write_config(tmp_path / "model.yaml")
    out = tmp_path / "made" / "models"
    arguments = ("--config", config, "--data", signs, "--json", "--checkpoint-dir", out)
    err = killed_training.interrupted_at_step(engine, 1, 3, *arguments)
    notes = [line for line in err.splitlines() if line]
    assert all(line.startswith(f"{signs}: ") for line in notes), "a framework speaks"
    assert list(tmp_path.iterdir()) == [config]
