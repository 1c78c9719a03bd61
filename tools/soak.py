"""Try the worst day, part by part, and print what came of it.

    python tools/soak.py PART [--count N] [--minutes M] [--seed S] [--state FILE.json] [--row ROW]

flips    one bit of a model file or clip is flipped, and it is read in this process
fuzz     bytes, opcodes, tokens and members of files are changed, and each of our parsers reads them
signals  convert, tflite and export are ended at a random moment, by each of four signals
writes   the k-th write, sync, rename or opening of an output fails, for every k
inputs   bad inputs, each given to every verb that reads their kind
strings  hostile strings in every place of a stranger's file: shown, and never obeyed
limits   disks, memory, numbers of files and sizes of files that are too small
load     many commands at once, many clips, and a large checkpoint, within stated bounds

The rows of flips and fuzz that end in "by command" give each file to the commands that read its
kind, in processes of their own.

N is the number of trials of each row: every trial has a seed of its own, so that a run can be
resumed: with --state, what was done is kept in a file and not done again. Exits with 1 for a
traceback, a file that is half written or left behind, a process that lives on, a hang, a
difference where a format has a checksum, a string that is obeyed, or a bound that does not hold.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from soak_common import Trial

PARTS = ("flips", "fuzz", "signals", "writes", "inputs", "strings", "limits", "load")
_TURN = 200  # trials of a row before the next one's, so that a short run tries them all
_TURN_SECONDS = 5.0  # after which a row that is slow gives way too
_OFTEN = 10  # seconds between two writes of the state
_SHOWN = 40  # defects of a row that are kept in words


@dataclass
class Outcomes:
    """The result of a row's trials: how often which, and the defects in words."""

    done: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)

    def add(self, number: int, word: str, defect: str) -> None:
        """Count a trial."""
        self.done += 1
        self.counts[word] += 1
        if defect:
            self.counts["defects"] += 1
            self.defects = [*self.defects, f"{number}: {defect}"][:_SHOWN]


class Run:
    """The trials of a part, some of which may have been made in an earlier run."""

    def __init__(self, part: str, seed: int, state: Path | None) -> None:
        self.part, self.seed, self._state = part, seed, state
        self._kept = time.monotonic()
        self.rows: dict[str, Outcomes] = {}
        if state is not None and state.exists():
            kept = json.loads(state.read_text())
            if (kept["part"], kept["seed"]) != (part, seed):
                raise SystemExit(f"{state}: is of {kept['part']} with the seed {kept['seed']}")
            self.rows = {
                name: Outcomes(row["done"], Counter(row["counts"]), row["defects"])
                for name, row in kept["rows"].items()
            }

    def do(self, trials: Mapping[str, Trial], count: int, minutes: float | None) -> None:
        """Make the trials that are not done yet: `count` of each row, or its `most`, for at most so
        many minutes."""
        end = None if minutes is None else time.monotonic() + 60 * minutes
        wanted = {name: trial.wanted(count) for name, trial in trials.items()}
        for name in trials:
            self.rows.setdefault(name, Outcomes())
        with Progress(console=Console(stderr=True)) as progress:
            bar = progress.add_task(self.part, total=sum(wanted.values()))
            while left := [name for name in trials if self.rows[name].done < wanted[name]]:
                for name in left:
                    row, turn = self.rows[name], time.monotonic() + _TURN_SECONDS
                    for number in range(row.done, min(row.done + _TURN, wanted[name])):
                        if end is not None and time.monotonic() > end:
                            self._keep()
                            return
                        draw = random.Random(f"{self.seed} {name} {number}")
                        row.add(number, *trials[name].run(number, draw))
                        self._keep(_OFTEN)
                        if time.monotonic() > turn:
                            break
                    self._keep()
                    progress.update(bar, completed=sum(row.done for row in self.rows.values()))

    def _keep(self, seconds: float = 0) -> None:
        """Write the state, unless that was done within the last `seconds`."""
        if self._state is not None and time.monotonic() - self._kept >= seconds:
            self._kept = time.monotonic()
            rows = {
                name: {"done": row.done, "counts": row.counts, "defects": row.defects}
                for name, row in self.rows.items()
            }
            kept = {"part": self.part, "seed": self.seed, "rows": rows}
            (temp := self._state.with_suffix(".new")).write_text(json.dumps(kept))
            temp.replace(self._state)

    def table(self) -> Table:
        """Return the rows as a table."""
        words = sorted({word for row in self.rows.values() for word in row.counts} - {"defects"})
        table = Table(self.part, "trials", *words, "defects")
        for name, row in self.rows.items():
            cells = [row.done, *(row.counts[word] for word in words), row.counts["defects"]]
            table.add_row(name, *map(str, cells))
        return table


def main() -> None:
    """Run a part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=379)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--row", action="append", help="a row alone; several times for several")
    asked = parser.parse_args()
    run = Run(asked.part, asked.seed, asked.state)
    with tempfile.TemporaryDirectory() as folder:
        trials = import_module(f"soak_{asked.part}").trials(Path(folder))
        if unknown := {*(asked.row or ())} - trials.keys():
            parser.error(f"no row {min(unknown)}; the rows are {', '.join(trials)}")
        trials = {name: one for name, one in trials.items() if name in (asked.row or trials)}
        run.do(trials, asked.count, asked.minutes)
    console = Console(width=200, soft_wrap=True)
    console.print(run.table())
    defects = [f"{name}, trial {said}" for name, row in run.rows.items() for said in row.defects]
    for said in defects:
        console.print(said, markup=False)
    sys.exit(bool(defects))


if __name__ == "__main__":
    main()
