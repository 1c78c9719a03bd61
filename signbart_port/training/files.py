"""The files of a training, and whether there may be one in their folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from signbart_port.config.training import Settings
from signbart_port.errors import PortError
from signbart_port.system import atomic_output


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

    def open(self, *, resume: bool, force: bool) -> bool:
        """Prepare the folders. Returns whether there is a training to resume.

        Raises PortError if there is one and neither `resume` nor `force` is given, and if the
        folders cannot be written.
        """
        there = self.last.exists()
        if there and not (resume or force):
            raise PortError(
                self.last,
                "exists: a training was here",
                "Give --resume to go on with it, --force to begin anew, or another checkpoint_dir",
            )
        for folder in (self.models, self.logs):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise PortError(folder, f"cannot be made: {error.strerror}") from None
        for path in (self.last, self.best, self.log, self.curves):
            atomic_output.check(path, force=True)
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
