"""The display of `train`: a bar for the current epoch, a line for each finished one, the result."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from signbart_port.cli import _show
from signbart_port.errors import printable
from signbart_port.system.stderr import silenced_stderr
from signbart_port.training.history import Epoch
from signbart_port.training.loso import Loso
from signbart_port.training.run import Engine, Job, Trained


class Bar:
    """The progress of a training on a terminal: a Watcher."""

    def __init__(
        self, console: Console, progress: Progress, warn: Callable[[Sequence[str]], None]
    ) -> None:
        self.console, self.progress, self.warn = console, progress, warn
        self.cautions: Sequence[str] = ()
        """What is said when the first epoch begins, whatever is silenced."""
        self.task = progress.add_task("starting", total=None, loss="")

    def says(self, label: str, text: str) -> None:
        said = escape(printable(text, _show.LONGEST))
        self.console.print(f"[dim]{escape(printable(label))}[/]  {said}", soft_wrap=True)

    def begins(self, epoch: int, steps: int) -> None:
        self.warn(self.cautions)
        self.cautions = ()
        self.progress.reset(self.task, total=steps, description=f"epoch {epoch}")

    def step(self, loss: float) -> None:
        self.progress.update(self.task, advance=1, loss=f"loss {loss:.3f}")

    def ended(self, epoch: Epoch, is_best: bool) -> None:
        self.console.print(
            f"epoch {epoch.epoch:3}  loss {epoch.loss:.4f}  validation {epoch.val_loss:.4f}"
            f"  right {epoch.val_accuracy:6.1%}  rate {epoch.learning_rate:.2g}"
            f"  {epoch.seconds:.1f} s, {epoch.waiting:.1%} waiting for data"
            + ("  best so far" if is_best else ""),
            soft_wrap=True,
        )


@contextmanager
def engine(load: Callable[[], Engine], silent: bool) -> Iterator[tuple[Engine, Bar]]:
    """Import a framework, and hold back whatever else it writes to stderr.

    Yields its engine, and a bar for the training.
    """
    with os.fdopen(os.dup(2), "w") as stderr:
        console = Console(file=stderr, highlight=False, emoji=False, quiet=silent)
        always = Console(file=stderr, highlight=False)
        hidden = silent or not console.is_terminal  # elsewhere it would leave empty lines
        with silenced_stderr():
            with nullcontext() if hidden else console.status("Importing the framework"):
                found = load()
            if not found.leads():
                console.quiet = always.quiet = True
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[loss]}"),
                TimeRemainingColumn(),
            )
            with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
                yield found, Bar(console, progress, partial(_show.cautions, to=always))


def about(job: Job, bad: int, notes: Sequence[str]) -> str:
    """Say what a training is about to read."""
    parts = [
        f"{len(job.train):,} clips",
        *notes,
        f"{len(job.test):,} test it" if job.test else "none test it",
        *([f"{bad:,} bad samples are left out"] if bad else []),
    ]
    return "; ".join(parts)


def as_dict(done: Trained) -> dict[str, Any]:
    """Return the result as `--json` prints it."""
    return {
        "best": str(done.files.best),
        "last": str(done.files.last),
        "log": str(done.files.log),
        "best_epoch": asdict(done.best),
        "history": [asdict(epoch) for epoch in done.history],
        "test": asdict(done.test) if done.test else None,
    }


def rows(done: Trained) -> Iterator[tuple[str, str]]:
    """Yield the result's lines: a label and a text each."""
    best = done.best
    yield "best", f"epoch {best.epoch} of {len(done.history)}: {done.files.best}"
    yield "validation", f"{best.val_accuracy:.1%} right, {best.val_top5:.1%} among the first five"
    if done.test:
        yield "test", f"{done.test.top1:.1%} right, {done.test.top5:.1%} among the first five"
    yield "last", f"{done.files.last}, to --resume from"
    yield "log", f"{done.files.log}, {done.files.curves}, TensorBoard in {done.files.logs}"


def table(done: Loso) -> Table:
    """Draw the accuracies, a row for each signer."""
    seeds = list(dict.fromkeys(fold.seed for fold in done.folds))
    drawn = Table(
        "left out",
        *(f"seed {seed}" for seed in seeds),
        "mean",
        "deviation",
        "epoch",
        title="Top-1 accuracy on the clips of the signer who was left out",
        title_justify="left",
    )
    for signer in done.signers:
        folds = [fold for fold in done.folds if fold.signer == signer]
        of_signer = replace(done, folds=tuple(folds))
        drawn.add_row(
            f"{escape(printable(signer))}, {folds[0].clips} clips",
            *(f"{fold.top1:.1%}" for fold in folds),
            f"{of_signer.mean:.1%}",
            _points(of_signer.over_seeds),
            f"{sum(fold.seconds for fold in folds) / len(folds):.1f} s",
        )
    each = [replace(done, folds=tuple(f for f in done.folds if f.seed == seed)) for seed in seeds]
    drawn.add_section()
    drawn.add_row(
        "mean", *(f"{one.mean:.1%}" for one in each), f"{done.mean:.1%}", _points(done.over_seeds)
    )
    if done.over_signers is not None:
        drawn.add_row("deviation over signers", *("" for _ in seeds), _points(done.over_signers))
    return drawn


def _points(deviation: float | None) -> str:
    return "" if deviation is None else f"{100 * deviation:.1f} points"
