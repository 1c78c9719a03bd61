"""The same step in both frameworks: loss, gradients, and the weights after 20 steps of AdamW.

PyTorch runs here, Keras in a child: both from the same first weights, on the same augmented
batches, with the dropouts off and the gradients clipped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import pt_reference
from signbart_port import transfer
from signbart_port.model_files import mappings
from signbart_port.parity.compare import Row, compare
from signbart_port.parity.counting import Counting
from signbart_port.parity.tolerances import RUN
from signbart_port.training import torch_fit
from signbart_port.training.run import Job
from signbart_port.transfer import Direction
from tests.support.running import run_program
from tests.support.small_models import Arrays
from tests.support.small_trainings import write_config
from tests.support.training_steps import batches_of, rate_of, the_job

WITHIN = 1e-4
"""How far a tensor of weights may be from PyTorch's after all steps: the norm of the difference, by
the norm of the tensor."""


@dataclass(frozen=True)
class Ran:
    """`gradients` of the first step and `weights` after the last, by their names in PyTorch."""

    loss: float
    gradients: Arrays
    weights: Arrays


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_config(tmp_path_factory.mktemp("parity") / "model.yaml")


@pytest.fixture(scope="module")
def keras(config: Path, signs: Path) -> Callable[[str], Ran]:
    """What Keras does, by model and optimizer: "tiny/ours"."""

    @cache
    def run(case: str) -> Ran:
        out = config.with_suffix(f".{case.replace('/', '-')}.npz")
        run_program("training_steps_in_keras", config, signs, out, case)
        with np.load(out) as file:
            arrays = dict(file)
        job = the_job(config, signs, case.partition("/")[0])
        return Ran(
            float(arrays[f"{case}/loss"]),
            by_torch_names(job, arrays, f"{case}/gradient/"),
            by_torch_names(job, arrays, f"{case}/weight/"),
        )

    return run


def by_torch_names(job: Job, arrays: Arrays, prefix: str) -> Arrays:
    named = {key.removeprefix(prefix): a for key, a in arrays.items() if key.startswith(prefix)}
    return dict(transfer.apply(mappings.plan_for(job.config), Direction.KERAS_TO_TORCH, named))


def torch_gradients(job: Job, dtype: torch.dtype) -> tuple[float, Arrays]:
    """Of the first step: the loss, and the gradients before they are clipped."""
    model = pt_reference.SignBart(job.config)
    torch_fit.load(model, job.weights)
    batch = batches_of(job)[0]
    model = model.to(dtype).train()
    _, logits = model(
        torch.from_numpy(batch.keypoints).to(dtype),
        torch.from_numpy(batch.attention_mask).to(dtype),
    )
    labels, weights = torch.from_numpy(batch.labels), torch.from_numpy(batch.weights).to(dtype)
    loss = torch_fit.loss_of(logits, labels, weights, job.settings.label_smoothing)
    loss.backward()
    found = {name: p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None}
    return loss.item(), found


def torch_weights(job: Job, faster: float = 1.0) -> Arrays:
    """After all steps, by the engine's own; with every rate so much higher."""
    model = pt_reference.SignBart(job.config)
    torch_fit.load(model, job.weights)
    optimizer = torch_fit.optimizer_of(model, job.settings.weight_decay)
    for step, batch in enumerate(batches_of(job)):
        rate = faster * rate_of(job, step)
        tensors = {name: torch.as_tensor(values) for name, values in vars(batch).items()}
        torch_fit.train_step(model, optimizer, tensors, rate, job.settings)
    return {name: p.detach().numpy() for name, p in model.named_parameters()}


@dataclass(frozen=True)
class Gradients:
    """PyTorch's in float64, and by how much its own in float32 are off: a Truth."""

    exact: Arrays
    rounded: Arrays

    @property
    def noise(self) -> Mapping[str, float]:
        return {n: float(np.abs(self.rounded[n] - exact).max()) for n, exact in self.exact.items()}

    def value(self, tap: str) -> np.ndarray:
        return self.exact[tap]

    def rows(self, found: Arrays) -> list[Row]:
        whole = Counting.whole()
        return [compare(n, found[n], self, whole, RUN) for n in compared(self.exact)]


def compared(arrays: Arrays) -> list[str]:
    """All but the biases of keys. Their gradient is exactly zero: they add the same to all scores
    of a query, which softmax does not see. What is computed instead is rounding noise, other noise
    in each framework, and Adam, which divides by the size of a gradient, makes whole steps of it.
    """
    names = [name for name in arrays if not name.endswith("k_proj.bias")]
    assert len(names) < len(arrays)
    return names


def apart(found: Arrays, expected: Arrays) -> dict[str, float]:
    """Of each tensor, the norm of the difference by the norm of what is expected."""
    norm = np.linalg.norm
    return {n: norm(found[n] - expected[n]) / norm(expected[n]) for n in compared(expected)}


@pytest.mark.parametrize("name", ["tiny", "lsa-64"])
@pytest.mark.on_commit("tiny")
def test_one_step(keras: Callable[[str], Ran], config: Path, signs: Path, name: str) -> None:
    """The same loss within 1e-6, and gradients that are as near to PyTorch's in float64 as its own
    in float32 are, by the criterion of every proof here."""
    job, ran = the_job(config, signs, name), keras(f"{name}/ours")
    loss, rounded = torch_gradients(job, torch.float32)
    exact_loss, exact = torch_gradients(job, torch.float64)
    assert ran.loss == pytest.approx(loss, rel=1e-6)
    assert ran.loss == pytest.approx(exact_loss, rel=1e-6)
    assert ran.gradients.keys() == exact.keys()
    truth = Gradients(exact, rounded)
    wrong = [f"{row.tap}: {row.sentence()}" for row in truth.rows(ran.gradients) if not row.passed]
    assert not wrong
    for n in exact.keys() - set(compared(exact)):
        assert np.abs(exact[n]).max() < 1e-15 < np.abs(rounded[n]).max()  # nothing but noise


def test_a_wrong_gradient_is_seen(keras: Callable[[str], Ran], config: Path, signs: Path) -> None:
    job, ran = the_job(config, signs, "tiny"), keras("tiny/ours")
    truth = Gradients(
        torch_gradients(job, torch.float64)[1], torch_gradients(job, torch.float32)[1]
    )
    off = {name: gradient * np.float32(1 + 1e-4) for name, gradient in ran.gradients.items()}
    assert not any(row.passed for row in truth.rows(off))
    plain = replace(job, settings=job.settings.model_copy(update={"label_smoothing": 0.0}))
    other = Gradients(
        torch_gradients(plain, torch.float64)[1], torch_gradients(plain, torch.float32)[1]
    )
    assert not any(row.passed for row in other.rows(ran.gradients))


@pytest.mark.parametrize("name", ["tiny", "lsa-64"])
@pytest.mark.on_commit("tiny")
def test_twenty_steps(keras: Callable[[str], Ran], config: Path, signs: Path, name: str) -> None:
    job, ran = the_job(config, signs, name), keras(f"{name}/ours")
    expected = torch_weights(job)
    assert ran.weights.keys() == expected.keys()
    found = apart(ran.weights, expected)
    assert max(found.values()) < WITHIN
    moved = apart({name: np.asarray(w) for name, w in job.weights.items()}, expected)
    assert min(moved.values()) > 10 * WITHIN  # every tensor has been trained


def test_wrong_steps_are_seen(keras: Callable[[str], Ran], config: Path, signs: Path) -> None:
    """With a rate that is 1 % higher, another decay, without the limit of the gradients, with
    another loss: the weights are farther apart than they may be."""
    job, ran = the_job(config, signs, "tiny"), keras("tiny/ours")
    assert 10 * max(apart(ran.weights, torch_weights(job)).values()) < WITHIN
    for faster, changes in (
        (1.01, {}),
        (1.0, {"weight_decay": 0.1}),
        (1.0, {"gradient_clip": None}),
        (1.0, {"label_smoothing": 0.0}),
    ):
        other = replace(job, settings=job.settings.model_copy(update=changes))
        off = apart(torch_weights(other, faster), ran.weights)
        assert max(off.values()) > WITHIN


@pytest.mark.release
def test_keras_own_adamw_is_seen(keras: Callable[[str], Ran], config: Path, signs: Path) -> None:
    theirs = apart(keras("tiny/keras").weights, torch_weights(the_job(config, signs, "tiny")))
    assert max(theirs.values()) > WITHIN
