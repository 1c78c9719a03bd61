"""Random weights hide nothing: no tensor keeps a value that a fresh one has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from signbart_port.parity.load_pair import load_pair
from signbart_port.parity.perturbation import perturbed
from signbart_port.parity.workers import torch_perturbed
from signbart_port.parity.workers.torch_perturbed import PerturbedJob, perturb
from signbart_port.system.worker import Limits, Worker


def test_no_bias_is_zero_and_no_gain_one() -> None:
    fresh = {"gain": np.ones(9, np.float32), "bias": np.zeros(9, np.float32)}
    made = perturbed(fresh)
    assert all((made[name] != fresh[name]).all() for name in fresh)
    assert abs(made["gain"].mean() - 1) < 0.3 and abs(made["bias"].mean()) < 0.3


def test_variances_stay_positive_and_integers_as_they_are() -> None:
    made = perturbed({"running_var": np.ones(999), "count": np.ones(1, np.int64)})
    assert made.keys() == {"running_var"} and (made["running_var"] > 0).all()


def test_kernels_keep_the_variance_of_what_goes_through_them() -> None:
    kernel = perturbed({"weight": np.zeros((50, 8, 25))})["weight"]
    assert kernel.dtype == np.float32
    assert abs(kernel.std() * np.sqrt(200) - 1) < 0.1


def test_a_seed_gives_the_same_again() -> None:
    fresh = {"bias": np.zeros(9)}
    assert (perturbed(fresh, 1)["bias"] == perturbed(fresh, 1)["bias"]).all()
    assert (perturbed(fresh, 1)["bias"] != perturbed(fresh, 2)["bias"]).all()


def test_a_module_is_perturbed_in_place_and_what_is_tied_stays_so() -> None:
    module = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 3), "b": torch.nn.Linear(3, 3)})
    module["b"].weight = module["a"].weight
    before = module["b"].bias.detach().clone()
    assert not perturb(module, only={"a.weight"}).training
    assert torch.equal(module["a"].weight, module["b"].weight)
    assert torch.equal(module["b"].bias, before)


@pytest.mark.usefixtures("cold_workers")  # a fork has the random state of its server
def test_every_process_writes_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An LSTM's biases are random from the start."""
    loaded, states = load_pair("torch-lstm"), []
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        job = PerturbedJob(tmp_path / f"{seed}.pth", loaded.place, loaded.pair.example, {}, seed=0)
        with Worker(torch_perturbed.__name__) as worker:
            worker.send(job, Limits(60))
            worker.answer()
        states.append(torch.load(job.file))
    first, second = states
    assert list(first) == list(second)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
