"""A training under way, in either framework: its inputs, and what happens after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from signbart_port.config import SignBartConfig
from signbart_port.config.training import Settings
from signbart_port.data.batches import Feed
from signbart_port.data.examples import Examples
from signbart_port.errors import PortError
from signbart_port.metrics import accuracy
from signbart_port.system import atomic_output
from signbart_port.training import history as histories
from signbart_port.training.files import Files
from signbart_port.training.history import Epoch, History
from signbart_port.training.initial import Weights
from signbart_port.training.schedule import learning_rate

EVALUATED = 64  # clips of a batch of an evaluation


@dataclass(frozen=True)
class Job:
    """A training to be done: a model, its clips, its first `weights`.

    `labels` are the classes' names. `quantization_aware` simulates int8, in Keras alone.
    """

    config: SignBartConfig
    settings: Settings
    labels: tuple[str, ...]
    train: Examples
    validation: Examples
    test: Examples | None
    weights: Weights
    quantization_aware: bool = False

    @property
    def stored_config(self) -> SignBartConfig:
        """The config as a checkpoint keeps it: the model's, and how it was trained."""
        return self.config.explicit.replace(training=self.settings.plain())

    def made_with(self) -> dict[str, Any]:
        """Return everything that the result depends on, except the clips' and first weights'
        values."""
        config = self.config.model_dump(mode="json", exclude={"training"})
        if self.config.as_in_0_1:
            config.pop("skeleton", None)  # version 0.1 did not know the name
        return {
            **self.settings.plain(),
            **config,
            "quantization_aware": self.quantization_aware,
            "clips": len(self.train),
        }

    def check_made_with(
        self, path: Path, found: Mapping[str, Any], free: Set[str] = frozenset()
    ) -> None:
        """Raise PortError unless the file at `path` was made with the same, except for `free`
        keys."""
        for key, wanted in self.made_with().items():
            if key not in free and wanted != found.get(key):
                raise PortError(
                    path,
                    f"was trained with {key} {found.get(key)}, not {wanted}",
                    "Give the same to resume it, or --force to begin anew",
                )

    def feed(self, shards: int = 1) -> Feed:
        s = self.settings
        return Feed(self.train, self.config, s.batch_size, s.seed, s.augment, shards)


@dataclass(frozen=True)
class TrainingScores:
    """The scores of a model on some clips: the mean cross-entropy, and the shares of the clips
    whose class comes first, or among the first five."""

    loss: float
    top1: float
    top5: float


def scores(
    logits: NDArray[np.floating], examples: Examples, labels: tuple[str, ...]
) -> TrainingScores:
    """Score logits (N, labels). Raises ValueError if they are not finite."""
    names = [entry.path.stem for entry in examples.entries]
    found = accuracy.measure({"the model": logits}, examples.targets, names, labels).reference
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    of_target = np.take_along_axis(shifted, examples.targets[:, None], axis=1)[:, 0]
    losses = np.log(np.exp(shifted).sum(axis=1)) - of_target
    return TrainingScores(float(losses.mean()), found.top1, found.top5)


class Watcher(Protocol):
    """An observer of a training's progress."""

    def begins(self, epoch: int, steps: int) -> None: ...

    def step(self, loss: float) -> None: ...

    def ended(self, epoch: Epoch, is_best: bool) -> None: ...


@dataclass(frozen=True)
class Trained:
    """A training that is over: the epoch of which the model was kept, in `files.best`; the scores
    of that model on the test clips, where there are any."""

    files: Files
    history: History
    test: TrainingScores | None

    @property
    def best(self) -> Epoch:
        return histories.best(self.history)


class Engine(Protocol):
    """A framework's training: the modules `training.keras_fit` and `training.torch_fit`."""

    SUFFIX: str

    def leads(self) -> bool:
        """Say whether this process writes and prints: of several in one training, the first."""

    def fit(self, job: Job, files: Files, watcher: Watcher, *, resume: bool) -> Trained: ...


class Run:
    """A training: its log so far, and the files that it keeps.

    `process` is that of several which share the work: all but 0 write nothing.
    """

    def __init__(
        self, job: Job, files: Files, steps: int, watcher: Watcher, process: int = 0
    ) -> None:
        self.job, self.files, self.steps, self.watcher = job, files, steps, watcher
        self.history: History = ()
        self._writes = process == 0

    @property
    def over(self) -> bool:
        settings = self.job.settings
        ended = len(self.history) >= settings.epochs
        return ended or bool(
            self.history and histories.stops(self.history, settings.early_stopping)
        )

    def learning_rate(self, epoch: int, step: int) -> float:
        """Return the rate of step `step`, from 0, of epoch `epoch`, from 1."""
        settings = self.job.settings
        return learning_rate(
            settings,
            [done.val_loss for done in self.history],
            (epoch - 1) * self.steps + step,
            settings.epochs * self.steps,
        )

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps besides the weights and the optimizer's state; JSON's
        types."""
        return {
            "epoch": len(self.history),
            "made_with": self.job.made_with(),
            "history": histories.plain(self.history),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the log of `files.last`.

        Raises PortError if that was made with other settings: the result would belong to neither.
        """
        may_change = {"save_every", "early_stopping"}
        if self.job.settings.scheduler != "one-cycle":  # which ends with the last epoch
            may_change.add("epochs")
        self.job.check_made_with(self.files.last, state["made_with"], may_change)
        self.history = histories.of_plain(state["history"])

    def end(self, epoch: Epoch, save: Callable[[Path, bool], None]) -> None:
        """Log an epoch, and keep its model: as the last, as the best if it is, and for good if that
        is wanted.

        `save` writes the model to a path, with or without the optimizer's state. `files.last` is
        the last model to be written: it marks the epoch as finished.
        """
        self.history += (epoch,)
        is_best = histories.best(self.history) is epoch
        if self._writes:
            every = self.job.settings.save_every
            if is_best:
                self._keep(self.files.best, save, False)
            if every and epoch.epoch % every == 0:
                self._keep(self.files.of_epoch(epoch.epoch), save, False)
            self._keep(self.files.last, save, True)
            histories.write_csv(self.files.log, self.history)
        self.watcher.ended(epoch, is_best)

    def measured(self, logits: NDArray[np.floating], examples: Examples) -> TrainingScores:
        """Score the current model.

        Raises PortError if the training has diverged.
        """
        try:
            return scores(logits, examples, self.job.labels)
        except ValueError:
            raise PortError(
                self.files.last,
                f"the training has diverged: after epoch {len(self.history) + 1} the model gives"
                " numbers that are not finite",
                "Take a lower learning_rate, or gradient_clip",
            ) from None

    def done(self, test: TrainingScores | None) -> Trained:
        if self._writes:
            histories.write_csv(self.files.log, self.history)  # a kill may have come before it
            histories.draw(self.files.curves, self.history)
        return Trained(self.files, self.history, test)

    def _keep(self, path: Path, save: Callable[[Path, bool], None], whole: bool) -> None:
        with atomic_output.replacing(path, force=True) as temp:
            save(temp, whole)
