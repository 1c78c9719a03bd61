"""Several processes, or several devices, share every batch: they train what one alone does.

24 clips in batches of 5: the parts of a batch are not equal, and those of the last are smaller.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signbart_port import checkpoint
from signbart_port.checkpoint import NameRules
from signbart_port.model_files import h5
from tests.support.running import ENVIRONMENT, PROGRAMS
from tests.support.small_trainings import WITHOUT_DROPOUT, left, without_times, write_config

WITHIN = 1e-5
"""How far a tensor of weights may be from that of one process: the norm of the difference, by the
norm of the tensor. Sums in another order are all that differs."""

PATIENCE = 300
PROGRAM = "from signbart_port.cli import main; main()"


@pytest.fixture
def config(signs: Path, tmp_path: Path) -> Path:
    """Without dropout, of which every process draws its own; with gradients that are clipped."""
    return write_config(
        tmp_path / "model.yaml",
        data_root=str(signs),
        gradient_clip=0.5,
        label_smoothing=0.1,
        **WITHOUT_DROPOUT,
    )


def assert_the_same(a: Path, b: Path) -> None:
    """Two trainings, by their last checkpoints."""
    found, expected = weights_of(a), weights_of(b)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        if "k_proj" not in name or "bias" not in name:  # see test_training_parity
            off = np.linalg.norm(found[name] - values) / np.linalg.norm(values)
            assert off < WITHIN, name


def weights_of(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".h5":
        return dict(h5.read(path).tensors)
    return dict(checkpoint.read(path, NameRules(("model",), ())).tensors)


def assert_like(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """What was told, but for times and rounding."""
    for one, other in zip(
        without_times(found["history"]), without_times(expected["history"]), strict=True
    ):
        assert one == pytest.approx(other, rel=1e-5)
    assert found["test"] == pytest.approx(expected["test"], rel=1e-5)


def ran(*command: object) -> str:
    """What a program prints that ends well."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.release
def test_torchrun(config: Path, tmp_path: Path) -> None:
    """Two trainings, one after the other, by two processes."""
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    arguments = ("-m", "pt_reference.train", "--config", config, "--json")
    arguments += ("--holdouts", "user01,user04", "--checkpoint-dir")
    told = [
        json.loads(printed)  # of one process alone
        for printed in (ran(*arguments, alone), ran(*torchrun, *arguments, shared))
    ]
    for one, other in zip(*(without_times(one["folds"]) for one in told), strict=True):
        assert one == other
    assert left(alone) == left(shared)
    for name in ("user01-seed379/last.pth", "user04-seed379/last.pth", "user04-seed379/best.pth"):
        assert_the_same(shared / name, alone / name)


@pytest.mark.release
def test_devices_and_workers(config: Path, signs: Path, tmp_path: Path) -> None:
    alone, mirrored, shared = (tmp_path / name for name in ("alone", "mirrored", "shared"))
    ran(PROGRAMS / "train_on_two_devices.py", config, signs, alone, mirrored)
    expected, of_mirrored = (
        json.loads((folder / "results.json").read_text()) for folder in (alone, mirrored)
    )
    assert_like(of_mirrored, expected)
    assert_the_same(mirrored / "last.h5", alone / "last.h5")

    first, other = by_two_workers("--config", config, "--json", "--checkpoint-dir", shared)
    assert_like(json.loads(first), expected)
    assert other == ""
    assert_the_same(shared / "last.h5", alone / "last.h5")
    assert_the_same(shared / "best.h5", alone / "best.h5")
    assert left(shared) == [name for name in left(alone) if name != "results.json"]


def by_two_workers(*arguments: object) -> list[str]:
    """What two workers of TF_CONFIG print; on stderr are notes on the clips alone."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(2)]
    addresses = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    workers = []
    for index in range(2):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        workers.append(
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, "train", *map(str, arguments)],
                env=ENVIRONMENT | {"TF_CONFIG": json.dumps(task)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        printed = [worker.communicate(timeout=PATIENCE) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], printed
    leads, follows = (said for _, said in printed)
    assert all(line.endswith("hand in any frame") for line in leads.splitlines())
    assert follows == "", "notes are said once"
    return [told for told, _ in printed]
