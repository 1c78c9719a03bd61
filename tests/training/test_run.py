"""What an epoch's end brings, whatever the framework: what is written in which order, by whom, and
what a checkpoint must agree with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss, top_k_accuracy_score

from signbart_port.errors import PortError
from signbart_port.training.files import Files
from signbart_port.training.history import Epoch
from signbart_port.training.run import Job, Run, scores
from signbart_port.training.schedule import learning_rate
from tests.support.small_trainings import Seen, job_of, left, write_config


@pytest.fixture
def job(signs: Path, tmp_path: Path) -> Job:
    config = write_config(tmp_path / "model.yaml", epochs=4, save_every=2, scheduler="one-cycle")
    return job_of(config, signs, checkpoint_dir=tmp_path / "models")


def run_of(job: Job, *, process: int = 0) -> Run:
    files = Files.of(job.settings, ".pth")
    files.open(resume=True, force=False)
    return Run(job, files, 5, Seen(), process)


def an_epoch(number: int, accuracy: float, loss: float = 1.0) -> Epoch:
    return Epoch(number, loss, accuracy, loss, accuracy, 1.0, 1e-3, 2.0, 0.5)


class Saving:
    """Writes what a model is of, and remembers when."""

    def __init__(self, run: Run) -> None:
        self.run, self.saved = run, list[tuple[str, bool]]()

    def __call__(self, path: Path, whole: bool) -> None:
        self.saved.append((path.name[1:].rpartition("-")[0], whole))
        path.write_text(json.dumps(self.run.state() if whole else len(self.run.history)))


def train(run: Run, *accuracies: float) -> Saving:
    save = Saving(run)
    for number, accuracy in enumerate(accuracies, len(run.history) + 1):
        run.end(an_epoch(number, accuracy), save)
    return save


def changed(job: Job, **settings: Any) -> Job:
    return replace(job, settings=job.settings.model_copy(update=settings))


def test_the_last_model_is_written_last(job: Job) -> None:
    """It says that an epoch is done: before it stands all that belongs to that."""
    run = run_of(job)
    saved = train(run, 0.1, 0.3, 0.2, 0.3).saved
    assert saved == [
        *(("best", False), ("last", True)),
        *(("best", False), ("epoch-0002", False), ("last", True)),
        ("last", True),
        *(("epoch-0004", False), ("last", True)),
    ]
    files = run.files
    assert [path.read_text() for path in (files.best, files.of_epoch(2))] == ["2", "2"]
    assert len(files.log.read_text().splitlines()) == 5
    seen = run.watcher
    assert isinstance(seen, Seen)
    assert [is_best for _, is_best in seen.ended_] == [True, True, False, False]
    trained = run.done(None)
    assert (trained.best.epoch, trained.history, trained.test) == (2, run.history, None)
    assert "logs/curves.png" in left(files.models)


def test_of_several_processes_the_first_one_writes(job: Job) -> None:
    run = run_of(job, process=1)
    save = train(run, 0.1, 0.3)
    assert save.saved == [] and left(run.files.models) == []
    assert run.done(None).best.epoch == 2  # it knows as much as the first
    assert left(run.files.models) == []


def test_when_it_is_over(job: Job) -> None:
    run = run_of(job)
    over = [run.over]
    for _ in range(4):
        train(run, 0.5)
        over.append(run.over)
    assert over == [False, False, False, False, True]
    stopping = run_of(changed(job, early_stopping=2), process=1)
    train(stopping, 0.5, 0.4)
    assert not stopping.over
    train(stopping, 0.5)
    assert stopping.over


def test_every_step_has_its_rate(job: Job) -> None:
    run = run_of(job)
    rates = [run.learning_rate(epoch, step) for epoch in range(1, 5) for step in range(5)]
    assert rates == [learning_rate(job.settings, [], step, 20) for step in range(20)]
    plateau = run_of(changed(job, scheduler="plateau", patience=0), process=1)
    train(plateau, 0.1, 0.1, 0.1)
    rates = [learning_rate(plateau.job.settings, [1.0] * 3, 0, 1)]
    assert [plateau.learning_rate(4, 2)] == rates == [pytest.approx(3e-5)]


def test_a_run_is_restored(job: Job) -> None:
    before = run_of(job)
    train(before, 0.1, 0.3)
    after = run_of(job)
    after.restore(json.loads(before.files.last.read_text()))
    assert after.history == before.history
    assert train(after, 0.2).saved == [("last", True)]  # no better than what was there before


def test_a_kill_between_the_last_model_and_the_log(job: Job) -> None:
    """The line is there in the end, also where no epoch is left to write it."""
    run = run_of(job)
    train(run, 0.1, 0.3, 0.2)
    log = run.files.log.read_text()
    train(run, 0.5)
    whole = run.files.log.read_text()
    run.files.log.write_text(log)
    resumed = run_of(job)
    resumed.restore(json.loads(run.files.last.read_text()))
    assert resumed.over
    resumed.done(None)
    assert run.files.log.read_text() == whole != log


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"epochs": 5}, "epochs 4, not 5"),  # a cycle ends with the last one
        ({"seed": 1}, "seed 379, not 1"),
        ({"scheduler": "constant"}, "scheduler one-cycle, not constant"),
        ({"mixed_precision": True}, "mixed_precision False, not True"),
        ({"save_every": None, "early_stopping": 3, "data_root": Path("moved")}, None),
    ],
)
def test_what_may_change(job: Job, change: dict[str, Any], says: str | None) -> None:
    state = json.loads(json.dumps(run_of(job).state()))
    other = run_of(changed(job, **change))
    if says is None:
        other.restore(state)
        return
    with pytest.raises(PortError) as refused:
        other.restore(state)
    assert str(refused.value).startswith(f"{other.files.last}: was trained with {says}. Give the")
    constant = changed(job, scheduler="constant")
    run_of(changed(constant, epochs=9)).restore(run_of(constant).state())  # without a cycle


def test_another_model_or_other_clips(job: Job) -> None:
    state = json.loads(json.dumps(run_of(job).state()))
    for other, says in (
        (replace(job, config=job.config.replace(dropout=0.5)), "dropout 0.0, not 0.5"),
        (replace(job, train=job.train.pick(range(9))), "clips 24, not 9"),
        (replace(job, quantization_aware=True), "quantization_aware False, not True"),
    ):
        with pytest.raises(PortError, match=f"was trained with {says}"):
            run_of(other).restore(state)


def test_scores_are_scikit_learns(job: Job) -> None:
    rng = np.random.default_rng(0)
    examples = job.train
    logits = rng.normal(0, 3, (len(examples), 8)).astype(np.float32)
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    odds = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    every = np.arange(8)
    found = scores(logits, examples, tuple("abcdefgh"))
    assert found.loss == pytest.approx(log_loss(examples.targets, odds, labels=every))
    for k, share in ((1, found.top1), (5, found.top5)):
        expected = top_k_accuracy_score(examples.targets, logits, k=k, labels=every)
        assert share == pytest.approx(expected)
    assert 0 < found.top1 < found.top5 < 1


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_training_that_has_run_away(job: Job, wrong: float) -> None:
    run = run_of(job)
    train(run, 0.1)
    logits = np.zeros((len(job.validation), 3), np.float32)
    assert run.measured(logits, job.validation).top5 == 1
    logits[1, 2] = wrong
    with pytest.raises(PortError) as refused:
        run.measured(logits, job.validation)
    assert str(refused.value).startswith(
        f"{run.files.last}: the training has diverged: after epoch 2 the model gives numbers that"
    )


def test_a_batch_an_epoch_and_less(job: Job) -> None:
    assert job.feed().steps == 5
    assert changed(job, batch_size=100).feed().steps == 1
    assert job.feed(shards=3).shards == 3
    assert job.stored_config.training == job.settings.plain()
