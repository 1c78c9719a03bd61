"""What `train` does, and how it looks: a bar for the epoch, a line for each that is done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from signbart_port.cli import show
from signbart_port.system.stderr import quiet as held_back
from signbart_port.training import loso as leaving_out
from signbart_port.training.files import Files
from signbart_port.training.history import Epoch
from signbart_port.training.loso import Loso
from signbart_port.training.request import Asked, Plan
from signbart_port.training.run import Job, Trained

if TYPE_CHECKING:
    from signbart_port.cli.train import Engine

Load = Callable[[], "Engine"]


@dataclass(frozen=True)
class Manner:
    """How to begin where a training was before, and how to talk."""

    resume: bool
    force: bool
    json: bool
    quiet: bool

    @property
    def silent(self) -> bool:
        return self.json or self.quiet


def one(load: Load, asked: Asked, manner: Manner) -> None:
    """Train one model."""
    plan = Plan(asked)
    data = plan.data()
    parts = data.parts(plan.settings)
    job = plan.job(parts, plan.settings)
    with _engine(load, manner) as (engine, bar):
        files = Files.of(plan.settings, engine.SUFFIX)
        goes_on = files.open(resume=manner.resume, force=manner.force)
        bar.says("training", _about(job, len(data.bad), parts.notes))
        done = engine.fit(job, files, bar, resume=goes_on)
        leads = engine.leads()
    if leads and manner.json:
        show.as_json(_as_dict(done))
    elif leads and not manner.silent:
        show.facts(list(_rows(done)))


def loso(
    load: Load, asked: Asked, manner: Manner, holdouts: Sequence[str], seeds: Sequence[int]
) -> None:
    """Train once for every signer who is left out, and every seed."""
    plan = Plan(asked)
    with _engine(load, manner) as (engine, bar):

        def fit(job: Job, files: Files, resume: bool) -> Trained:
            bar.says(files.models.name, _about(job, 0, ()))
            return engine.fit(job, files, bar, resume=resume)

        folds = leaving_out.run(
            plan,
            fit,
            engine.SUFFIX,
            holdouts=holdouts,
            seeds=seeds or (plan.settings.seed,),
            resume=manner.resume,
            force=manner.force,
            leads=engine.leads(),
        )
        done = Loso(tuple(folds))
        leads = engine.leads()
    if leads and manner.json:
        show.as_json(done.as_dict())
    elif leads and not manner.silent:
        show.out.print(_table(done))


class _Bar:
    """Tells a person how the training gets on: a Watcher."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self.console, self.progress = console, progress
        self.task = progress.add_task("starting", total=None, loss="")

    def says(self, label: str, text: str) -> None:
        self.console.print(f"[dim]{escape(label)}[/]  {text}", soft_wrap=True)

    def begins(self, epoch: int, steps: int) -> None:
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
def _engine(load: Load, manner: Manner) -> Iterator[tuple[Engine, _Bar]]:
    """A framework, and a bar for its training; what else it writes to stderr is held back."""
    with os.fdopen(os.dup(2), "w") as stderr:
        console = Console(file=stderr, highlight=False, quiet=manner.silent)
        hidden = manner.silent or not console.is_terminal  # elsewhere it would leave empty lines
        with held_back():
            with nullcontext() if hidden else console.status("Importing the framework"):
                engine = load()
            if not engine.leads():
                console.quiet = True
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[loss]}"),
                TimeRemainingColumn(),
            )
            with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
                yield engine, _Bar(console, progress)


def _about(job: Job, bad: int, notes: Sequence[str]) -> str:
    parts = [
        f"{len(job.train):,} clips",
        *notes,
        f"{len(job.test):,} test it" if job.test else "none test it",
        *([f"{bad:,} bad samples are left out"] if bad else []),
    ]
    return "; ".join(parts)


def _as_dict(done: Trained) -> dict[str, Any]:
    return {
        "best": str(done.files.best),
        "last": str(done.files.last),
        "log": str(done.files.log),
        "best_epoch": asdict(done.best),
        "history": [asdict(epoch) for epoch in done.history],
        "test": asdict(done.test) if done.test else None,
    }


def _rows(done: Trained) -> Iterator[tuple[str, str]]:
    best = done.best
    yield "best", f"epoch {best.epoch} of {len(done.history)}: {done.files.best}"
    yield "validation", f"{best.val_accuracy:.1%} right, {best.val_top5:.1%} among the first five"
    if done.test:
        yield "test", f"{done.test.top1:.1%} right, {done.test.top5:.1%} among the first five"
    yield "last", f"{done.files.last}, to --resume from"
    yield "log", f"{done.files.log}, {done.files.curves}, TensorBoard in {done.files.logs}"


def _table(done: Loso) -> Table:
    seeds = list(dict.fromkeys(fold.seed for fold in done.folds))
    table = Table(
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
        table.add_row(
            f"{escape(signer)}, {folds[0].clips} clips",
            *(f"{fold.top1:.1%}" for fold in folds),
            f"{of_signer.mean:.1%}",
            _points(of_signer.over_seeds),
            f"{sum(fold.seconds for fold in folds) / len(folds):.1f} s",
        )
    each = [replace(done, folds=tuple(f for f in done.folds if f.seed == seed)) for seed in seeds]
    table.add_section()
    table.add_row(
        "mean", *(f"{one.mean:.1%}" for one in each), f"{done.mean:.1%}", _points(done.over_seeds)
    )
    if done.over_signers is not None:
        table.add_row("deviation over signers", *("" for _ in seeds), _points(done.over_signers))
    return table


def _points(deviation: float | None) -> str:
    return "" if deviation is None else f"{100 * deviation:.1f} points"
