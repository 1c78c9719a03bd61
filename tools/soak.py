"""Try the worst day: flipped bits, and signals at random moments; print what came of it.

    python tools/soak.py flips   [--count N] [--seed S]
    python tools/soak.py signals [--count N] [--seed S]

`flips` flips one bit of a model file or clip, N times a format, and reads it in this process.
`signals` ends convert, tflite and export at a random moment, N times a signal. Exits with 1 for a
traceback, a file that is half written or left behind, a process that lives on, or a difference
where a format has a checksum.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from signbart_port.data import samples
from signbart_port.errors import PortError
from signbart_port.model_files.model_file import open_model
from signbart_port.system import digest

SAMPLE = Path(__file__).parents[1] / "samples" / "synthetic-signs.pth"
PROGRAM = Path(sys.executable).with_name("signbart-port")
CHECKED = ("zip.pth", "model.h5")
"""The formats with a checksum of all weights: no difference may be silent."""
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")
SECONDS = 120


@dataclass
class Outcomes:
    """What came of one kind of trial: how often, and the defects in words."""

    counts: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)


def make_files(folder: Path) -> dict[str, Path]:
    """Write the sample's weights in every format, and a clip in two."""
    import torch
    from safetensors.torch import save_file

    container = torch.load(SAMPLE, weights_only=True)
    files = {name: folder / name for name in ("zip.pth", "legacy.pth", "model.safetensors")}
    torch.save(container, files["zip.pth"])
    torch.save(container, files["legacy.pth"], _use_new_zipfile_serialization=False)
    save_file(container["model"], files["model.safetensors"])
    run("inspect", SAMPLE, "--config-out", folder / "config.yaml", "--json")
    files["model.h5"], files["model.tflite"] = folder / "model.h5", folder / "model.tflite"
    run("convert", SAMPLE, "--out", files["model.h5"], "-q")
    run("tflite", files["model.h5"], "--out", files["model.tflite"], "-q")
    clip = np.random.default_rng(0).random((20, 75, 2), np.float32)
    files |= {"clip.npy": folder / "clip.npy", "clip.npz": folder / "clip.npz"}
    np.save(files["clip.npy"], clip)
    np.savez(files["clip.npz"], keypoints=clip)
    return files


def run(*arguments: object) -> None:
    subprocess.run([PROGRAM, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def content_of(path: Path) -> Any:
    """Return what a reader makes of a file, in a form that can be compared."""
    if path.name.startswith("clip"):
        return digest.of_tensor(np.array(samples.read(path).keypoints))
    model = open_model(path)
    if model.config is None:
        return repr((model.interface, model.labels, model.frames, model.class_names))
    weights = {name: digest.of_tensor(np.array(one)) for name, one in model.torch_tensors.items()}
    return model.config, weights


def flips(folder: Path, count: int, draw: random.Random) -> dict[str, Outcomes]:
    """Flip one bit of each format, again and again."""
    found = {}
    for name, path in make_files(folder).items():
        content, outcomes = path.read_bytes(), Outcomes()
        before = content_of(path)
        for _ in track(range(count), name, console=Console(stderr=True)):
            at = draw.randrange(8 * len(content))
            flipped = bytearray(content)
            flipped[at // 8] ^= 1 << at % 8
            path.write_bytes(flipped)
            try:
                same = content_of(path) == before
                outcomes.counts["equal" if same else "different"] += 1
                if not same and name in CHECKED:
                    outcomes.defects.append(f"bit {at}: a difference that nothing says")
            except PortError:
                outcomes.counts["refused"] += 1
            except Exception as error:
                outcomes.defects.append(f"bit {at}: {type(error).__name__}: {error}")
        path.write_bytes(content)
        found[name] = outcomes
    return found


def signals(folder: Path, count: int, draw: random.Random) -> dict[str, Outcomes]:
    """End each command at a random moment of its life."""
    h5, found = folder / "model.h5", dict[str, Outcomes]()
    run("convert", SAMPLE, "--out", h5, "-q")
    commands: Mapping[str, tuple[object, ...]] = {
        "convert": (SAMPLE, "--out"),
        "tflite": (h5, "--out"),
        "export": (h5, "--out"),
    }
    suffixes = {"convert": ".h5", "tflite": ".tflite", "export": ".pth"}
    for verb, arguments in commands.items():
        out = folder / verb / f"model{suffixes[verb]}"
        out.parent.mkdir()
        life = min(_seconds(verb, *arguments, out, "--force", "-q") for _ in range(2))
        old = out.read_bytes()
        for name in SIGNALS:
            outcomes = found.setdefault(f"{verb}, {name}", Outcomes())
            for _ in track(range(count), f"{verb}, {name}", console=Console(stderr=True)):
                moment = draw.uniform(0.1, life)
                trial(signal.Signals[name], moment, (verb, *arguments, out), out, old, outcomes)
                out.write_bytes(old)
    return found


def _seconds(*command: object) -> float:
    start = time.monotonic()
    run(*command)
    return time.monotonic() - start


def trial(
    number: signal.Signals,
    moment: float,
    command: tuple[object, ...],
    out: Path,
    old: bytes,
    outcomes: Outcomes,
) -> None:
    """Run a command, end it, and look at what it has left."""
    scratch = out.parent.parent / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    process = subprocess.Popen(
        [PROGRAM, *map(str, command), "--force", "-q"],
        env=os.environ | {"TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=_signals_as_in_a_terminal,
    )
    time.sleep(moment)
    late = process.poll() is not None
    process.send_signal(number)
    _, said = process.communicate(timeout=SECONDS)
    code, at = process.returncode, f"{number.name} after {moment:.2f} s"
    outcomes.counts["had ended" if late else f"exit {code}"] += 1
    if not late and code not in (-number, 128 + number):
        outcomes.defects.append(f"{at}: exit code {code}")
    if b"Traceback" in said and code != -number:  # Python's own, before the program begins
        outcomes.defects.append(f"{at}: a traceback")
    if out.read_bytes() != old:
        try:
            content_of(out)
        except PortError as error:
            outcomes.defects.append(f"{at}: half written: {error}")
    deadline = time.monotonic() + 10
    while (alive := _with_scratch(scratch)) and time.monotonic() < deadline:
        time.sleep(0.1)
    if alive:
        outcomes.defects.append(f"{at}: {len(alive)} processes live on")
    left = [one.name for one in (*scratch.iterdir(), *out.parent.iterdir()) if one != out]
    if left and number != signal.SIGKILL:
        outcomes.defects.append(f"{at}: left {', '.join(left)}")
    outcomes.counts["left something"] += bool(left)


def _signals_as_in_a_terminal() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _with_scratch(scratch: Path) -> list[str]:
    """Return the processes that were started with this temporary folder."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            if f"TMPDIR={scratch}".encode() in (one / "environ").read_bytes().split(b"\0"):
                found.append(one.name)
        except OSError:  # it has ended, or is somebody else's
            continue
    return found


PARTS: Mapping[str, Callable[[Path, int, random.Random], dict[str, Outcomes]]] = {
    "flips": flips,
    "signals": signals,
}


def table_of(part: str, found: Mapping[str, Outcomes]) -> Table:
    columns = sorted({name for outcomes in found.values() for name in outcomes.counts})
    table = Table(part, *columns, "defects")
    for name, outcomes in found.items():
        cells = (str(outcomes.counts[column]) for column in columns)
        table.add_row(name, *cells, str(len(outcomes.defects)))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=379)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = PARTS[asked.part](Path(folder), asked.count, random.Random(asked.seed))
    console = Console(width=160, soft_wrap=True)
    console.print(table_of(asked.part, found))
    defects = [f"{name}: {said}" for name, one in found.items() for said in one.defects]
    for said in defects:
        console.print(said, markup=False)
    sys.exit(bool(defects))


if __name__ == "__main__":
    main()
