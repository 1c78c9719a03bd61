"""The files of a training, and whether there may be one in their folder."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from signbart_port.config.training import Settings
from signbart_port.errors import PortError
from signbart_port.system import atomic_output, locks
from signbart_port.system.locks import Lock


@dataclass(frozen=True)
class Files:
    """The files of a training; models end in `suffix`, .h5 or .pth."""

    models: Path
    logs: Path
    suffix: str

    @classmethod
    def of(cls, settings: Settings, suffix: str) -> Files:
        return cls(settings.checkpoint_dir, settings.logs, suffix)

    @property
    def last(self) -> Path:
        """The model after the last epoch, with everything that resuming needs."""
        return self.models / f"last{self.suffix}"

    @property
    def best(self) -> Path:
        return self.models / f"best{self.suffix}"

    def of_epoch(self, epoch: int) -> Path:
        return self.models / f"epoch-{epoch:04}{self.suffix}"

    @property
    def log(self) -> Path:
        return self.logs / "log.csv"

    @property
    def curves(self) -> Path:
        return self.logs / "curves.png"

    @property
    def result(self) -> Path:
        """The test result of a training that is one of several."""
        return self.models / "result.json"

    def open(self, *, resume: bool, force: bool, leads: bool = True) -> bool:
        """Prepare the folders. Returns whether there is a training to resume.

        Of several processes that share a training only the one that `leads` writes. Raises
        PortError if there is a training and neither `resume` nor `force` is given, if another one
        is running in these folders, and if they cannot be written.
        """
        there = self.last.exists()
        if there and not (resume or force):
            raise PortError(
                self.last,
                "exists: a training was here",
                "Give --resume to go on with it, --force to begin anew, or another checkpoint_dir",
            )
        for folder in (self.models, self.logs):
            _make(folder, leads)
        outputs = (self.last, self.best, self.log, self.curves)
        for path in outputs:
            atomic_output.check(path, force=True)
        if leads:
            self._lock()
        for path in outputs:
            atomic_output.remove_unfinished(path)  # of a run that was killed while it wrote
        for path in self.models.glob(f".epoch-*{self.suffix}"):
            path.unlink(missing_ok=True)
        if there and not resume:
            for path in (
                self.last,
                self.best,
                self.result,
                *self.models.glob(f"epoch-*{self.suffix}"),
            ):
                path.unlink(missing_ok=True)
        return there and resume

    def _lock(self) -> None:
        """Keep the folder of the models for this process until it ends."""
        path = self.models.resolve() / ".lock"
        if path in _LOCKS:
            return
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise PortError(path, f"cannot be written: {error.strerror}") from None
        if locks.take(lock) is Lock.BUSY:
            os.close(lock)
            what = "is in use: another training is running there"
            raise PortError(self.models, what, "Give it another checkpoint_dir")
        _LOCKS[path] = lock
        atexit.register(path.unlink, missing_ok=True)


def _make(folder: Path, leads: bool) -> None:
    """Make a folder, and those above it.

    When the process of the one that `leads` ends, they are removed if nothing is in them.
    """
    path = folder.absolute()
    made = [one for one in (path, *path.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PortError(folder, f"cannot be made: {error.strerror}") from None
    if leads:
        atexit.register(_remove_empty, made)


def _remove_empty(folders: Iterable[Path]) -> None:
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def check_resumable(folder: Path, trainings: Iterable[Files]) -> None:
    """Raise PortError where `folder` holds none of these trainings: its name may be mistyped."""
    lasts = [files.last for files in trainings]
    if not any(last.exists() for last in lasts):
        lacks = f"has no {lasts[0].relative_to(folder)}" if folder.is_dir() else "does not exist"
        raise PortError(
            folder,
            f"{lacks}: there is no training to resume",
            "Give the --checkpoint-dir of one, or leave out --resume to begin a new training",
        )


_LOCKS: dict[Path, int] = {}
"""The open files of the locks that this process holds."""
