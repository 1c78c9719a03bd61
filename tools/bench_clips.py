"""Clips as long as they really are: ours by the signature of the shortest length that fits, peers'
files of 64 frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from bench_latency import against
from bench_runners import EAGER, PEERS, Classify, Floats, available, ours
from bench_turns import medians
from signbart_port import config as configs
from signbart_port.config import SignBartConfig
from signbart_port.data.dataset import load, open_dataset
from signbart_port.data.model_interface import of_model
from signbart_port.data.preprocessing import MOST_FRAMES, pad
from signbart_port.tflite.modes import Quantization

LENGTHS = (28, 35, 42, 49, 56, 64)
Batch = tuple[Floats, Floats]


def columns() -> Table:
    return Table(
        *("model", "runner", "all clips", "speed", "predictions as PyTorch's"),
        title=f"clips of real lengths, one thread, ours with {', '.join(map(str, LENGTHS))} frames;"
        " speed of the fastest peer, with 64, = 1",
    )


def bench(
    name: str, checkpoint: Path, data: Path, rounds: int, table: Table, say: Callable[[str], None]
) -> None:
    """Add rows to `table`: the peers' files and ours, float32 and dynamic."""
    config = configs.load(checkpoint.with_suffix(".yaml"))
    clips = read(data, config)
    padded = {
        False: [pad([clip], MOST_FRAMES) for clip in clips],
        True: [pad([clip], fitting(len(clip))) for clip in clips],
    }
    peers = {
        peer.name: partial(peer.runner, checkpoint, MOST_FRAMES)
        for peer in PEERS
        if peer.exported is not None
    }
    modes = {
        f"tflite {mode.value}": partial(ours, checkpoint, mode, LENGTHS)
        for mode in (Quantization.NONE, Quantization.DYNAMIC)
    }
    among = tuple(available(peers | modes, say))
    calls = {r.name: partial(_classes, r.start(r.file, 1), padded[r.ours]) for r in among}
    truth = _classes(EAGER.start(checkpoint, 1), padded[False])
    seconds = medians(calls, rounds)
    for runner in among:
        same = int((calls[runner.name]() == truth).sum())
        table.add_row(
            *(name, runner.name, f"{1e3 * seconds[runner.name]:.1f} ms"),
            against(runner, among, seconds),
            f"{same} of {len(clips)}",
        )


def read(data: Path, config: SignBartConfig) -> list[Floats]:
    """Return the clips of a dataset's split test, or of its last, as the model reads them."""
    dataset = open_dataset(data)
    split = "test" if "test" in dataset.splits else dataset.splits[-1]
    interface = of_model(config)
    clips = load(dataset.split(split)).keypoints
    return [interface.prepare_clip(clip, config, MOST_FRAMES) for clip in clips]


def fitting(frames: int, lengths: Sequence[int] = LENGTHS) -> int:
    """Return the shortest of `lengths` that holds `frames` frames."""
    return min(length for length in lengths if length >= frames)


def _classes(classify: Classify, clips: Sequence[Batch]) -> NDArray[np.int64]:
    return np.array([int(classify(keypoints, mask).argmax()) for keypoints, mask in clips])
