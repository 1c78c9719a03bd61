"""What the parts of `soak.py` share: trials, the files they spoil, and runs of the program."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from signbart_port.data import samples
from signbart_port.model_files.model_file import open_model
from signbart_port.system import digest

SAMPLE = Path(__file__).parents[1] / "samples" / "synthetic-signs.pth"
PROGRAM = Path(sys.executable).with_name("signbart-port")
SECONDS = 600
"""The most that a command may take, on a machine that has much else to do."""


@dataclass(frozen=True)
class Trial:
    """One of a row's trials, by its number and its source of chance: what it is counted as, and the
    defect that it shows, or nothing."""

    run: Callable[[int, Random], tuple[str, str]]
    most: int | Callable[[], int] | None = None
    """The number of different trials, where that is bounded, or how it is found out."""

    def wanted(self, count: int) -> int:
        """Return how many trials to make where `count` are asked for."""
        most = self.most() if callable(self.most) else self.most
        return count if most is None else min(count, most)


def run(*arguments: object) -> None:
    """Run the program, which must succeed."""
    subprocess.run([PROGRAM, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


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


def content_of(path: Path) -> Any:
    """Return what a reader makes of a file, in a form that can be compared."""
    if path.name.startswith("clip"):
        return digest.of_tensor(np.array(samples.read(path).keypoints))
    model = open_model(path)
    if model.config is None:
        return repr((model.interface, model.labels, model.frames, model.class_names))
    weights = {name: digest.of_tensor(np.array(one)) for name, one in model.torch_tensors.items()}
    return model.config, weights


def outliving(scratch: Path) -> list[str]:
    """Wait for the processes that were started with this temporary folder. Returns those that are
    there after a minute: they end in their time on a machine that has much else to do."""
    deadline = time.monotonic() + 60
    while (alive := _with_scratch(scratch)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive


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


def left_behind(out: Path, scratch: Path) -> list[str]:
    """Return the names of what lies in the temporary folder, and beside an output."""
    return [one.name for one in (*out.parent.iterdir(), *scratch.iterdir()) if one != out]


def environment(scratch: Path) -> dict[str, str]:
    """Return the environment of a run whose temporary files go to `scratch`."""
    return os.environ | {"TMPDIR": str(scratch)}
