"""The commands that `soak_signals.py` ends: what each finds, and what it may leave."""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

import soak_common
from signbart_port.errors import PortError
from soak_common import run

_MODEL = {
    "d_model": 4,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 4,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 4,
    "max_position_embeddings": 64,
    "joint_idx": [0, 2, 1],
    "training": {"epochs": 3, "batch_size": 4},
}
_PNG_END = b"IEND\xaeB`\x82"


class Subject(Protocol):
    """A command and its output."""

    def begin(self, number: int) -> None:
        """Put there what the command finds in this trial."""

    def command(self) -> tuple[object, ...]:
        """Return the command, after what is there now."""

    def broken(self) -> list[str]:
        """Return what of the output is half written."""

    def left(self) -> list[str]:
        """Return the names of what lies there and is no output."""

    def content(self) -> Any:
        """Return what a reader makes of the output."""


@dataclass(frozen=True)
class File:
    """A command that writes one file, which is there already."""

    line: tuple[object, ...]
    """The command, up to the output."""
    out: Path
    old: bytes

    def begin(self, number: int) -> None:
        self.out.write_bytes(self.old)

    def command(self) -> tuple[object, ...]:
        return (*self.line, self.out, "--force", "-q")

    def broken(self) -> list[str]:
        return [] if self.out.read_bytes() == self.old else _broken(self.out)

    def left(self) -> list[str]:
        return [one.name for one in self.out.parent.iterdir() if one != self.out]

    def content(self) -> Any:
        return soak_common.content_of(self.out)


@dataclass(frozen=True)
class Training:
    """A training; every other one goes on from its first epoch."""

    config: Path
    data: Path
    out: Path
    begun: Path
    """The folder of a training after its first epoch."""

    @classmethod
    def make(cls, folder: Path) -> Training:
        """Write a dataset and a config, and train for an epoch."""
        folder.mkdir()
        made = cls(*(folder / name for name in ("signs.yaml", "signs", "out", "begun")))
        made.config.write_text(yaml.safe_dump(_MODEL))
        sizes = ("--classes", 2, "--signers", 3, "--repetitions", 2)
        run("data", "synth", made.data, *sizes, "-q")
        run(*made.command(), "--epochs", 1)
        made.out.rename(made.begun)
        return made

    def begin(self, number: int) -> None:
        shutil.rmtree(self.out, ignore_errors=True)
        if number % 2:
            shutil.copytree(self.begun, self.out)

    def command(self) -> tuple[object, ...]:
        line = ("train", "--config", self.config, "--data", self.data)
        resume = ("--resume",) if (self.out / "last.h5").exists() else ()
        return (*line, "--checkpoint-dir", self.out, *resume, "-q")

    def broken(self) -> list[str]:
        found = [said for path in sorted(self.out.glob("*.h5")) for said in _broken(path)]
        if (log := self.out / "logs/log.csv").exists():
            rows = list(csv.reader(log.read_text().splitlines()))
            if not rows or len({len(row) for row in rows}) != 1:
                found.append("half written: log.csv")
        curves = self.out / "logs/curves.png"
        if curves.exists() and not curves.read_bytes().endswith(_PNG_END):
            found.append("half written: curves.png")
        return found

    def left(self) -> list[str]:
        return [one.name for one in self.out.rglob(".*")]

    def content(self) -> Any:
        # The weights alone: a best model of the first epoch has the settings of the training
        # that was begun, which had fewer epochs.
        return [soak_common.content_of(self.out / name)[1] for name in ("last.h5", "best.h5")]


def _broken(path: Path) -> list[str]:
    try:
        soak_common.content_of(path)
    except PortError as error:
        return [f"half written: {error}"]
    return []
