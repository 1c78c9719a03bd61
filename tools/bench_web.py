"""What a clip costs in LiteRT.js, the build for browsers, against LiteRT in Python.

    python tools/bench_web.py model.tflite [MORE.tflite] [--rounds N]

Both run the same files on one thread, LiteRT.js under Node, and take turns: a round is one turn of
each for every signature. What is printed is the fastest run of each: whatever else a machine does
only adds to it. The last column is what the signature of a length (a bucket) costs, of what the
longest one costs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from signbart_port.tflite.description import describe

RUNS = 10  # of one turn


class Native:
    """LiteRT in this process."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(str(path), num_threads=1)
        self._runners = dict[str, Any]()

    def turn(self, signature: str, frames: int, keypoints: int) -> list[float]:
        """Return the milliseconds of each run."""
        if signature not in self._runners:
            self._runners[signature] = self._interpreter.get_signature_runner(signature)
        runner, times = self._runners[signature], list[float]()
        inputs = {
            "keypoints": np.full((1, frames, keypoints, 2), 0.5, np.float32),
            "attention_mask": np.ones((1, frames), np.float32),
        }
        for _ in range(RUNS):
            start = time.perf_counter()
            runner(**inputs)
            times.append(1e3 * (time.perf_counter() - start))
        return times


class Web:
    """LiteRT.js in a process of Node's."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @classmethod
    @contextmanager
    def of(cls, path: Path) -> Iterator[Web]:
        """Start the process, and end it."""
        command = ["node", str(Path(__file__).with_suffix(".mjs")), str(path)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            yield cls(process)
            assert process.stdin is not None
            process.stdin.close()

    def turn(self, signature: str, frames: int, keypoints: int) -> list[float]:
        """Return the milliseconds of each run."""
        assert self._process.stdin is not None and self._process.stdout is not None
        asked = {"signature": signature, "frames": frames, "keypoints": keypoints, "runs": RUNS}
        self._process.stdin.write(f"{json.dumps(asked)}\n")
        self._process.stdin.flush()
        times: list[float] = json.loads(self._process.stdout.readline())
        return times


def measure(path: Path, rounds: int) -> dict[int, tuple[float, float]]:
    """Return the least milliseconds of both, native first, by the length of the signature."""
    signatures = describe(path)["signatures"]
    with Web.of(path) as web:
        sides: list[Callable[[str, int, int], list[float]]] = [Native(path).turn, web.turn]
        times: dict[int, tuple[list[float], list[float]]] = {}
        for turn in range(rounds + 1):
            for one in signatures:
                _, frames, keypoints, _ = one["inputs"]["keypoints"]["shape"]
                for side, found in zip(sides, times.setdefault(frames, ([], [])), strict=True):
                    took = side(one["name"], frames, keypoints)
                    if turn:  # the first warms up
                        found += took
    return {frames: (min(native), min(js)) for frames, (native, js) in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", type=Path, nargs="+", metavar="model.tflite")
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    table = Table(
        "file", "frames", "LiteRT ms", "LiteRT.js ms", "ratio", "of the longest: native, web"
    )
    for path in asked.models:
        found = measure(path, asked.rounds)
        longest = found[max(found)]
        for frames, (native, web) in sorted(found.items()):
            shares = f"{native / longest[0]:.0%}, {web / longest[1]:.0%}"
            ratio = f"{web / native:.1f}"
            table.add_row(path.name, str(frames), f"{native:.2f}", f"{web:.2f}", ratio, shares)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
