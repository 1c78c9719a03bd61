"""What an export costs: the whole command of ours, its proof included, against each peer's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.table import Table

from bench_runners import DYNAMIC, FLOAT32, PEERS, emission
from bench_turns import Failed, medians, run
from signbart_port.tflite.modes import Quantization

_MODES = {FLOAT32: Quantization.NONE, DYNAMIC: Quantization.DYNAMIC}


def columns() -> Table:
    return Table(
        *("model", "command", "time", "against ours of its precision"),
        title="export, whole command, 64 frames",
    )


def bench(
    name: str,
    checkpoint: Path,
    frames: int,
    rounds: int,
    table: Table,
    say: Callable[[str], None],
) -> None:
    """Add a row for each command to `table`."""
    commands, precisions = {}, {}
    for precision, mode in _MODES.items():
        own = f"tflite {mode.value}"
        commands[own] = emission(checkpoint, mode, [frames], None)[0]
        precisions[own] = precision
    for peer in PEERS:
        if peer.exported is not None and not peer.missing:
            commands[peer.name] = peer.command(checkpoint, frames)[0]
            precisions[peer.name] = peer.precision
    calls = {who: partial(run, command) for who, command in commands.items()}
    try:
        medians(calls, 1, warm=False)  # fills the disk cache
        seconds = medians(calls, rounds, warm=False)
    except Failed as reason:
        say(f"export: skipped, {reason}")
        return
    for who, spent in seconds.items():
        ours = seconds[f"tflite {_MODES[precisions[who]].value}"]
        table.add_row(name, who, f"{spent:.2f} s", f"{spent / ours:.2f}")
