"""Run an installed program on the sample: python tools/smoke.py ENVIRONMENT

ENVIRONMENT is the folder of a virtual environment. Exits 1 where a command fails, with its output.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clean_environment import CleanEnvironment

ROOT = Path(__file__).parents[1]
COMMANDS = (
    "--version",
    "inspect model.tflite",
    "plan model.pth",
    "verify model.pth model.tflite --report proof.json",
    "export model.h5 --out back.pth --container training",
    "verify model.pth back.pth --report proof.html",
    "predict model.tflite clips.npz --golden golden.json --quiet",
    "predict --check golden.json",
    "snippets model.tflite --language kotlin --out Recognizer.kt",
    "web model.tflite --golden golden.json --out site",
)
"""What follows the demo, which converts the sample: each goes on with the files of those before."""


@dataclass(frozen=True)
class Step:
    """A command, and how it ended."""

    name: str
    seconds: float
    passed: bool
    output: str


def steps(environment: CleanEnvironment) -> Iterator[Step]:
    """Run the demo, the commands, and the page's code in Node.js if that is installed."""
    run = environment.run
    yield _step("tools/demo.py", partial(run, "python", ROOT / "tools" / "demo.py", cwd=ROOT))
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        shutil.copy(ROOT / "samples" / "synthetic-signs.pth", folder / "model.pth")
        shutil.copy(ROOT / "samples" / "clips.npz", folder)
        for name in ("model.h5", "model.tflite"):
            shutil.copy(ROOT / "demo_output" / name, folder)
        for command in COMMANDS:
            yield _step(command, partial(run, "signbart-port", *command.split(), cwd=folder))
        if node := shutil.which("node"):
            replay = environment.site_packages / "signbart_port" / "web" / "node" / "replay.mjs"
            words = [node, replay, "model.tflite", "golden.json"]
            in_node = partial(subprocess.run, words, cwd=folder, capture_output=True, text=True)
            yield _step("replay.mjs", in_node)


def _step(name: str, run: Callable[[], subprocess.CompletedProcess[str]]) -> Step:
    start = time.monotonic()
    done = run()
    output = done.stdout + done.stderr
    return Step(name, time.monotonic() - start, done.returncode == 0, output)


def main() -> None:
    """Print each step as it ends, and stop at the first that fails."""
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/smoke.py ENVIRONMENT")
    for step in steps(CleanEnvironment(Path(sys.argv[1]))):
        print(f"{step.seconds:6.1f} s  {step.name}", flush=True)
        if not step.passed:
            sys.exit(f"{step.output}\nsmoke: {step.name} failed")
    print("converted the sample and sent it back, outside of the checkout")


if __name__ == "__main__":
    main()
