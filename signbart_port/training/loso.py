"""Leave one signer out: a training for each signer and seed, tested on the signer's clips."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from signbart_port.config.training import Settings
from signbart_port.errors import PortError
from signbart_port.system import atomic_output
from signbart_port.training.files import Files, check_resumable
from signbart_port.training.request import TrainingPlan
from signbart_port.training.run import Job, Trained

Fit = Callable[[Job, Files, bool], Trained]
"""Trains a job, in these files, resuming or not."""


@dataclass(frozen=True)
class Fold:
    """One training: accuracies of the best model on the clips of the signer who was left out;
    `seconds` an epoch, the median, and `waiting` the share of it without a batch."""

    signer: str
    seed: int
    top1: float
    top5: float
    clips: int
    best_epoch: int
    epochs: int
    seconds: float
    waiting: float


@dataclass(frozen=True)
class Loso:
    """The result of all trainings."""

    folds: tuple[Fold, ...]

    @property
    def signers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(fold.signer for fold in self.folds))

    def of(self, signer: str) -> list[float]:
        """Return the top-1 accuracies of a signer, one for each seed."""
        return [fold.top1 for fold in self.folds if fold.signer == signer]

    @property
    def mean(self) -> float:
        """The mean over the signers of their means over the seeds."""
        return statistics.mean(statistics.mean(self.of(signer)) for signer in self.signers)

    @property
    def over_signers(self) -> float | None:
        """The standard deviation of the signers' means; None for a single one."""
        return _deviation([statistics.mean(self.of(signer)) for signer in self.signers])

    @property
    def over_seeds(self) -> float | None:
        """The standard deviation over the seeds of the mean over the signers; None for one seed."""
        seeds = dict.fromkeys(fold.seed for fold in self.folds)
        return _deviation(
            [statistics.mean(f.top1 for f in self.folds if f.seed == seed) for seed in seeds]
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "folds": [asdict(fold) for fold in self.folds],
            "mean": self.mean,
            "deviation_over_signers": self.over_signers,
            "deviation_over_seeds": self.over_seeds,
        }


def run(
    plan: TrainingPlan,
    fit: Fit,
    suffix: str,
    *,
    holdouts: Sequence[str],
    seeds: Sequence[int],
    resume: bool,
    force: bool,
    leads: bool = True,
) -> Iterator[Fold]:
    """Train and test every fold, one after the other; an empty `holdouts` means all signers.

    Each fold has its own folder in those of the settings, `user08-seed379`. With `resume`, finished
    folds are not repeated. Of several processes that share the trainings, only the one that `leads`
    writes. Raises PortError before anything is trained, as a single training would, and for a
    signer who does not exist.
    """
    data = plan.data
    signers = tuple(holdouts) or data.signers
    if not signers:
        raise PortError(plan.dataset.root, "names no signers", "Names are like user08_G03_R05.pkl")
    trainings = [
        (signer, settings, Files.of(settings, suffix))
        for signer in signers
        for settings in (_of_fold(plan.settings, signer, seed) for seed in seeds)
    ]
    for signer, settings, _ in trainings:
        data.without(signer, settings)  # refuses what cannot be left out
    if resume:
        check_resumable(plan.settings.checkpoint_dir, [files for *_, files in trainings])
    going_on = [files.open(resume=resume, force=force, leads=leads) for *_, files in trainings]
    for (signer, settings, files), goes_on in zip(trainings, going_on, strict=True):
        job = plan.job(data.without(signer, settings), settings)
        fold = _read(files.result, job) if goes_on else None
        if fold is None:
            fold = _fold(signer, job, fit(job, files, goes_on))
            if leads:
                _write(files.result, fold, job)
        yield fold


def _of_fold(settings: Settings, signer: str, seed: int) -> Settings:
    name = f"{signer}-seed{seed}"
    return settings.model_copy(
        update={
            "seed": seed,
            "checkpoint_dir": settings.checkpoint_dir / name,
            "log_dir": settings.logs / name,
        }
    )


def _fold(signer: str, job: Job, trained: Trained) -> Fold:
    assert job.test is not None and trained.test is not None
    return Fold(
        signer=signer,
        seed=job.settings.seed,
        top1=trained.test.top1,
        top5=trained.test.top5,
        clips=len(job.test),
        best_epoch=trained.best.epoch,
        epochs=len(trained.history),
        seconds=statistics.median(epoch.seconds for epoch in trained.history),
        waiting=statistics.median(epoch.waiting for epoch in trained.history),
    )


def _write(path: Path, fold: Fold, job: Job) -> None:
    text = json.dumps({**asdict(fold), "made_with": job.made_with()}, indent=2)
    with atomic_output.replacing(path, force=True) as temp:
        temp.write_text(f"{text}\n")


def _read(path: Path, job: Job) -> Fold | None:
    """Return a fold that was finished before; None if there is none.

    Raises PortError if it was made with other settings.
    """
    try:
        found = json.loads(path.read_text())
        made_with = found.pop("made_with")
        fold = Fold(**found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    job.check_made_with(path, made_with)
    return fold


def _deviation(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
