"""Time one command for many checkpoints against a command for each: [--count 36] [--config NAME].

Prints seconds, their ratio, and the peak memory of all processes of a command together. Every
conversion is proven. The checkpoints are of one config, with other random weights each.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from bench_memory import Memory
from bench_turns import CLI
from random_checkpoint import random_model
from signbart_port import config as configs


def write_checkpoints(folder: Path, name: str, count: int) -> list[Path]:
    """Write `count` checkpoints of a published config."""
    config = configs.named(name).model_dump(exclude={"training"}, mode="json")
    state = random_model(config).state_dict()
    paths = [folder / f"{number:02}.pth" for number in range(count)]
    for path in paths:
        moved = {key: value + torch.randn_like(value) / 100 for key, value in state.items()}
        torch.save({"model": moved, "config": config}, path)
    return paths


def measured(*arguments: str | Path) -> tuple[float, int]:
    """Run a command line of this program. Returns its seconds and its peak memory in bytes."""
    start = time.perf_counter()
    with subprocess.Popen(
        [*CLI, *map(str, arguments)], stdout=subprocess.DEVNULL, start_new_session=True
    ) as process:
        memory = Memory(process.pid)
        memory.start()
        process.wait()
        memory.over = True
        memory.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))}: exit code {process.returncode}")
    return time.perf_counter() - start, memory.peak


def main() -> None:
    """Run both ways and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=36)
    parser.add_argument("--config", default="lsa-64")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_checkpoints(folder, asked.config, asked.count)
        measured("convert", paths[0], "-q")  # the caches are everybody's
        paths[0].with_suffix(".h5").unlink()
        each = [
            measured("convert", path, "-q", "--out", folder / "one.h5", "--force") for path in paths
        ]
        together, peak = measured("convert", *paths, "--out-dir", folder / "models", "-q")
        if len(list((folder / "models").glob("*.h5"))) != asked.count:
            raise SystemExit("a model is missing")
    alone, most = sum(seconds for seconds, _ in each), max(memory for _, memory in each)
    table = Table("convert", "seconds", "of the first", "peak memory", "of the first")
    table.add_row(f"{asked.count} commands", f"{alone:.1f}", "1.00", f"{most / 1e6:.0f} MB", "1.00")
    table.add_row(
        "one command",
        f"{together:.1f}",
        f"{together / alone:.3f}",
        f"{peak / 1e6:.0f} MB",
        f"{peak / most:.2f}",
    )
    Console().print(table)


if __name__ == "__main__":
    main()
