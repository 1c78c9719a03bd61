"""What conversion and inference cost, as ratios measured side by side in one run.

    python tools/bench.py [--rounds N] [--only convert verify latency limit clips export]
        [--models LSA-64] [--frames 16 64] [--threads 1 2] [--data DATASET] [--checkpoint M.pth]

convert: the whole command with its proof against the bare `import torch, tensorflow`, and the peak
memory of its larger process, the one with TensorFlow, against that of its imports alone. verify:
the whole command, every module compared in the run and alone, against importing both frameworks and
running the same clips in PyTorch once in float64 and once in float32. latency: every mode of the
emitted .tflite against PyTorch (eager and compiled), ONNX Runtime and litert-torch, all in this
process. limit: the emitted .tflite against its bare matrix products. clips: real clips, by the
signature that fits. export: the whole command `tflite` against the peers'.

What is compared takes turns; medians are printed. `--data` is a dataset folder: its clips calibrate
the integer modes and are those of `clips`. `--checkpoint` measures that model instead of random
ones of three sizes. Peers that are not installed are skipped. They want an environment of their
own, as litert-torch needs older versions of some packages than the project's constraints name:

    pip install --constraint tools/bench_constraints.txt --editable ".[peers]"
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

import bench_clips
import bench_emission
import bench_latency
import bench_limit
from bench_models import bare_checkpoint, make_checkpoint, relabeled, sizes
from bench_turns import CLI, Failed, run
from signbart_port import config as configs

BOTH = [sys.executable, "-c", "import torch, tensorflow"]
LARGER = [
    sys.executable,
    "-c",
    "import typer, signbart_port.verbs.convert, signbart_port.keras_model",
]
FORWARD = [sys.executable, str(Path(__file__).with_name("forward.py"))]
FRAMES = 64
_WIDTH = 110
PARTS = ("convert", "verify", "latency", "limit", "clips", "export")


def bench_convert(name: str, checkpoint: Path, rounds: int, table: Table) -> None:
    out = checkpoint.with_suffix(".h5")
    command = [*CLI, "convert", str(checkpoint), "--out", str(out), "--force", "--quiet"]
    base = run(LARGER)[1]
    run(BOTH), run(command)  # fills the disk cache
    bare, whole = zip(*((run(BOTH), run(command)) for _ in range(rounds)), strict=True)
    seconds = [median(r[0] for r in runs) for runs in (bare, whole)]
    peak = max(r[1] for r in whole)
    size = checkpoint.stat().st_size
    table.add_row(
        name,
        f"{size / 1e6:.1f} MB",
        f"{seconds[0]:.2f} s",
        f"{seconds[1]:.2f} s",
        f"{seconds[1] / seconds[0]:.2f}",
        f"{base / 2**20:.0f} MiB",
        f"{peak / 2**20:.0f} MiB",
        f"{(peak - base) / size:.2f}",
    )


def bench_verify(name: str, checkpoint: Path, rounds: int, table: Table) -> None:
    command = [*CLI, "verify", str(checkpoint), str(checkpoint.with_suffix(".h5")), "--quiet"]
    bare_command = [*FORWARD, str(checkpoint)]
    run(bare_command), run(command)  # fills the disk cache
    bare, whole = zip(*((run(bare_command), run(command)) for _ in range(rounds)), strict=True)
    seconds = [median(r[0] for r in runs) for runs in (bare, whole)]
    row = (f"{seconds[0]:.2f} s", f"{seconds[1]:.2f} s", f"{seconds[1] / seconds[0]:.2f}")
    table.add_row(name, *row)


def tables() -> dict[str, Table]:
    convert = Table("model", "checkpoint", "import", "convert", "ratio", title="convert")
    for column in ("imports", "peak", "over it, in checkpoints"):
        convert.add_column(column)
    return {
        "convert": convert,
        "verify": Table("model", "import and run", "verify", "ratio", title="verify"),
        "latency": bench_latency.columns(),
        "limit": bench_limit.columns(),
        "clips": bench_clips.columns(),
        "export": bench_emission.columns(),
    }


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--models", nargs="+", choices=list(sizes()), default=list(sizes()))
    parser.add_argument("--frames", nargs="+", type=int, default=[16, FRAMES])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--checkpoint", type=Path)
    return parser.parse_args(arguments)


def bench(name: str, checkpoint: Path, wanted: argparse.Namespace, into: dict[str, Table]) -> None:
    """Add the rows of one model to every table that is wanted."""

    def say(word: str) -> None:
        print(f"{name}, {word}", file=sys.stderr, flush=True)

    rounds, data = wanted.rounds, wanted.data
    if data is not None:
        labels = configs.load(checkpoint.with_suffix(".yaml")).num_labels
        data = relabeled(checkpoint.parent, data, labels)
    if "convert" in wanted.only:
        bench_convert(name, checkpoint, rounds, into["convert"])
    run([*CLI, "convert", str(checkpoint), "--force", "--quiet"])
    if "verify" in wanted.only:
        bench_verify(name, checkpoint, rounds, into["verify"])
    for frames in wanted.frames if "latency" in wanted.only else ():
        among = bench_latency.runners(checkpoint, frames, data, say)
        for threads in wanted.threads:
            bench_latency.bench(
                name, checkpoint, among, frames, threads, 20 * rounds, into["latency"], say
            )
    if "limit" in wanted.only:
        bench_limit.bench(name, checkpoint, FRAMES, 20 * rounds, into["limit"], say)
    if "clips" in wanted.only:
        if data is None:
            say("clips: skipped, needs --data")
        else:
            bench_clips.bench(name, checkpoint, data, rounds, into["clips"], say)
    if "export" in wanted.only:
        bench_emission.bench(name, checkpoint, FRAMES, rounds, into["export"], say)


def main(arguments: Sequence[str] | None = None) -> None:
    wanted = parsed(arguments)
    into = tables()
    try:
        with tempfile.TemporaryDirectory() as temp:
            for name in [wanted.checkpoint.stem] if wanted.checkpoint else wanted.models:
                folder = Path(temp) / name.replace(" ", "-")
                folder.mkdir()
                if wanted.checkpoint:
                    checkpoint = bare_checkpoint(folder, wanted.checkpoint)
                else:
                    checkpoint = make_checkpoint(folder, sizes()[name])
                bench(name, checkpoint, wanted, into)
    except Failed as reason:
        raise SystemExit(f"{name}: {reason}") from None
    finally:  # what was measured is worth seeing, whatever came after it
        console = Console(width=max(Console().width, _WIDTH))
        for table in into.values():
            if table.row_count:
                console.print(table)


if __name__ == "__main__":
    main()
