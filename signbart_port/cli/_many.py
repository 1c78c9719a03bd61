"""Several models to one command: a line for each as it ends, and a summary.

One that fails does not stop the others. The frameworks are imported once, and no more than one
model is held at a time.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from signbart_port.cli import _failures, _show
from signbart_port.errors import ExitCode, PortError, ProofError, printable
from signbart_port.hub.address import named_for_outputs, shown
from signbart_port.system.progress import ProgressCallback
from signbart_port.untrusted.model_kind import ModelKind

OutDir = Annotated[
    Path | None,
    typer.Option(
        "--out-dir",
        metavar="DIR",
        help="For several models: the folder to write to. Default: each beside its source.",
    ),
]
_SEVERITY = (ExitCode.OK, ExitCode.BAD_INPUT, ExitCode.PROOF_FAILED, ExitCode.DEFECT)
_WORDS = {
    ExitCode.BAD_INPUT: "refused",
    ExitCode.PROOF_FAILED: "NOT EQUAL",
    ExitCode.DEFECT: "a defect",
}


@dataclass(frozen=True)
class Done:
    """The result for one of several inputs."""

    line: str
    """What is said of it."""
    data: Mapping[str, Any]
    """The same for --json."""
    cautions: Sequence[str] = ()
    """What must be known of it, however quiet the program is."""
    word: str = "done"
    """What the summary counts it as."""


@dataclass(frozen=True)
class Task:
    """One of several inputs, by its name, and its work."""

    name: str
    run: Callable[[ProgressCallback], Done]


@dataclass(frozen=True)
class Output:
    """A file to be made of a model."""

    model: Path
    out: Path
    make: Callable[[ProgressCallback], Done]


@dataclass
class Batch:
    """The inputs of a command, one after the other."""

    json: bool
    quiet: bool
    noun: str = "models"
    _words: Counter[str] = field(default_factory=Counter)
    _worst: ExitCode = ExitCode.OK
    _said: set[str] = field(default_factory=set)
    _start: float = field(default_factory=time.monotonic)

    def run(self, tasks: Sequence[Task]) -> None:
        """Do them all. Raises typer.Exit with the exit code of the worst: a failed proof comes
        before a refusal."""
        try:
            for number, task in enumerate(tasks, 1):
                self._do(task, f"{number} of {len(tasks)}, {task.name}: ")
                if number == 1:
                    # What the frameworks have made is there to stay: it is not searched again for
                    # each model whose memory is freed.
                    gc.collect()
                    gc.freeze()
        finally:
            gc.unfreeze()
        self.end()

    def end(self, more: str = "") -> None:
        """Print the summary, and `more`. Raises typer.Exit as `run` does."""
        count, seconds = self._words.total(), time.monotonic() - self._start
        if self.json:
            counted = {self.noun: count, **self._words, "seconds": round(seconds, 1)}
            _show.as_json({"summary": counted}, lines=False)
        elif not self.quiet:
            counts = ", ".join(f"{count} {word}" for word, count in self._words.items())
            noun = self.noun.removesuffix("s") if count == 1 else self.noun
            print(f"{count} {noun} in {seconds:.1f} s: {counts}{more}")
        if self._worst:
            raise typer.Exit(self._worst)

    def write(self, outputs: Sequence[Output], out_dir: Path | None) -> None:
        """Make the outputs, and their folder.

        Raises PortError, before any work, for two that would be one file; typer.Exit as `run`.
        """
        _check_distinct(outputs)
        folders = [] if out_dir is None else _between(out_dir, outputs)
        try:
            for folder in folders:
                _make(folder)
            self.run([Task(shown(one.model), one.make) for one in outputs])
        finally:
            for folder in reversed(folders):
                with suppress(OSError):
                    folder.rmdir()  # if there is nothing in it

    def _do(self, task: Task, prefix: str) -> None:
        try:
            with _show.steps(self.quiet or self.json) as progress:
                done = task.run(lambda step: progress(printable(prefix + step)))
        except Exception as error:
            self.failed(task.name, error)
            return
        self.done(task.name, done)

    def done(self, name: str, done: Done) -> None:
        """Say what came of an input."""
        self._words[done.word] += 1
        if self.json:
            _show.as_json({"input": name, "exit_code": 0, **done.data}, lines=False)
        elif not self.quiet:
            print(printable(done.line, 1000), flush=True)
        _show.cautions([said for said in done.cautions if said not in self._said])
        self._said.update(done.cautions)

    def failed(self, name: str, error: Exception) -> None:
        """Say why there is no result for an input."""
        sys.stdout.flush()
        line, code = _failures.tell(error)
        self._words[_WORDS[code]] += 1
        self._worst = max(self._worst, code, key=_SEVERITY.index)
        if self.json:
            failed: dict[str, Any] = {"input": name, "exit_code": int(code), "error": line}
            if isinstance(error, ProofError) and error.report is not None:
                failed["report"] = error.report.as_dict()
            _show.as_json(failed, lines=False)


def models_of(paths: Sequence[Path], kinds: Collection[ModelKind]) -> list[Path]:
    """Return the models that a command is given: files, and those of these kinds in folders.

    A folder without one is left for the library to refuse.
    """
    if not any(path.is_dir() for path in paths):
        return list(paths)
    from signbart_port.untrusted.model_folder import models_in

    return [model for path in paths for model in models_in(path, kinds) or [path]]


def are_several(models: Sequence[Path], out: Path | None, out_dir: Path | None) -> bool:
    """Return whether the command is for several models. Raises PortError for the name of one
    output beside them."""
    if len(models) == 1 and out_dir is None:
        return False
    if out is not None:
        raise PortError(out, "--out is the name of one output", "Give --out-dir DIR for several")
    return True


def folder_of(model: Path, given: Sequence[Path], out_dir: Path | None) -> Path:
    """Return the folder of a model's output: beside it or, in `out_dir`, below the same folders in
    which it lies in the one that was given."""
    if out_dir is None:
        return named_for_outputs(model).parent
    within = [one for one in given if one.is_dir() and model.is_relative_to(one)]
    return out_dir / model.relative_to(within[0]).parent if within else out_dir


def check_options(**given: object) -> None:
    """Raise PortError for options that are of one model, by their names, where several are
    given."""
    for name, value in given.items():
        if value:
            option = f"--{name.replace('_', '-')}"
            raise PortError(None, f"{option} is for one model, and several are given")


def _between(out_dir: Path, outputs: Sequence[Output]) -> list[Path]:
    """Return `out_dir` and the folders in it that lead to the outputs, each after its parent."""
    folders = {parent for one in outputs for parent in one.out.parents}
    return sorted(one for one in {out_dir, *folders} if one.is_relative_to(out_dir))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise PortError(folder, f"cannot be made: {error.strerror}") from None


def _check_distinct(outputs: Sequence[Output]) -> None:
    made: dict[Path, Path] = {}
    for one in outputs:
        if (other := made.setdefault(one.out, one.model)) is not one.model:
            what = f"would be written as {printable(one.out)}, and {printable(other)} too"
            raise PortError(one.model, what, "Give them in commands of their own, or rename one")
