"""One clip through every runner, in turns: how fast against the fastest peer of its precision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from rich.table import Table

from bench_runners import EAGER, PEERS, Classify, Floats, Runner, available, ours
from bench_turns import timed
from signbart_port import config as configs
from signbart_port.data.model_inputs import Inputs
from signbart_port.pairs.signbart_cases import make_for
from signbart_port.tflite.modes import Quantization

_LOADS = 3  # where a file's weights come to lie in memory changes its speed by a few percent
_FAR = {"float32": 1e-3, "dynamic": 0.2}  # of the largest logit: beyond it, it is another model


def columns() -> Table:
    return Table(
        *("model", "T", "threads", "runner", "one clip", "speed", "at its best", "off PyTorch by"),
        title="latency: clips of T frames, speed (of medians, of minima) of the fastest peer of the"
        " same precision = 1",
    )


def runners(
    checkpoint: Path, frames: int, data: Path | None, say: Callable[[str], None]
) -> tuple[Runner, ...]:
    """Return every peer and every mode of ours that is available for clips of `frames` frames."""
    peers = {peer.name: partial(peer.runner, checkpoint, frames) for peer in PEERS}
    modes = {
        f"tflite {mode.value}": partial(ours, checkpoint, mode, [frames], data)
        for mode in Quantization
    }
    return tuple(available(peers | modes, say))


def bench(
    name: str,
    checkpoint: Path,
    among: Iterable[Runner],
    frames: int,
    threads: int,
    rounds: int,
    table: Table,
    say: Callable[[str], None],
) -> None:
    """Add a row for each runner to `table`."""
    inputs = make_for(configs.load(checkpoint.with_suffix(".yaml")), frames)
    clip = inputs.keypoints[:1], inputs.attention_mask[:1]
    running: dict[Runner, Classify] = {}
    for runner in among:
        try:
            running[runner] = runner.start(runner.file, threads)
            running[runner](*clip)
        except Exception as error:  # whatever a compiler that is not there leads to
            running.pop(runner, None)
            say(f"{runner.name}: skipped, {' '.join(str(error).split())[:200]}")
    seconds: dict[str, list[float]] = {runner.name: [] for runner in running}
    for load in range(min(_LOADS, rounds)):
        for runner in running if load else ():
            if runner.file != checkpoint:
                running[runner] = runner.start(runner.file, threads)
        calls = {runner.name: partial(classify, *clip) for runner, classify in running.items()}
        for who, spent in timed(calls, max(1, rounds // _LOADS)).items():
            seconds[who] += spent
    medians = {who: median(spent) for who, spent in seconds.items()}
    minima = {who: min(spent) for who, spent in seconds.items()}
    truth = _logits(EAGER.start(checkpoint, threads), inputs)
    for runner, classify in running.items():
        off = float(np.abs(_logits(classify, inputs) - truth).max())
        far = off > _FAR[runner.precision] * float(np.abs(truth).max())
        table.add_row(
            *(name, str(frames), str(threads), runner.name),
            f"{1e3 * medians[runner.name]:.2f} ms",
            *(against(runner, running, of) for of in (medians, minima)),
            f"{off:.1e}{', COMPUTES SOMETHING ELSE' if far else ''}",
        )


def against(runner: Runner, among: Iterable[Runner], seconds: Mapping[str, float]) -> str:
    """Return a runner's speed as a multiple of that of the fastest peer of its precision."""
    peers = [r.name for r in among if not r.ours and r.precision == runner.precision]
    if not peers:
        return "no such peer"
    fastest = min(peers, key=seconds.__getitem__)
    return f"{seconds[fastest] / seconds[runner.name]:.2f}x"


def _logits(classify: Classify, inputs: Inputs) -> Floats:
    """Return the logits of clips that begin with a real frame: on others an integer graph may
    differ."""
    real = inputs.attention_mask[:, 0] == 1
    clips = zip(inputs.keypoints[real], inputs.attention_mask[real], strict=True)
    return np.concatenate([classify(keypoints[None], mask[None]) for keypoints, mask in clips])
