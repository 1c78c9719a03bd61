"""How much faster the preparation of clips is than loops over frames and points, in one run.

    python tools/bench_preprocessing.py [--clips N] [--rounds N]

Both prepare the same generated clips, in turns; medians are printed, and their ratio. The loops are
the specification, word for word, one frame, group, point and coordinate after the other.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from math import isfinite
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from signbart_port.config.skeletons import HANDS, MEDIAPIPE_75
from signbart_port.data.preprocessing import MOST_FRAMES, Floats, prepare

MARGIN = 0.05
Clips = Sequence[NDArray[Any]]


def prepare_by_loops(keypoints: NDArray[Any], *, count_missing: bool = True) -> Floats:
    """Compute what `prepare` does, as the specification words it."""
    frames = list(keypoints)
    if len(frames) > MOST_FRAMES:
        frames = [frames[int(at)] for at in np.linspace(0, len(frames) - 1, MOST_FRAMES)]
    return np.array([_frame(frame, count_missing) for frame in frames], np.float32)


def _frame(frame: NDArray[Any], count_missing: bool) -> list[list[float]]:
    points = []
    for x, y, *_ in frame:
        if isfinite(x) and isfinite(y):
            points.append([min(max(float(x), 0.0), 1.0), min(max(float(y), 0.0), 1.0)])
        else:
            points.append([0.0, 0.0])
    for group in (slice(*bounds) for bounds in MEDIAPIPE_75.groups.values()):
        counted = [point for point in points[group] if count_missing or point != [0, 0]]
        if counted:
            _normalize(counted)
    return points


def _normalize(points: list[list[float]]) -> None:
    """Map the box around `points` to [0, 1], in place."""
    low = [min(point[axis] for point in points) for axis in (0, 1)]
    high = [max(point[axis] for point in points) for axis in (0, 1)]
    w, h = high[0] - low[0], high[1] - low[1]
    if w > h:
        dx = MARGIN * w
        dy = dx + (w - h) / 2
    else:
        dy = MARGIN * h
        dx = dy + (h - w) / 2
    for axis, margin in enumerate((dx, dy)):
        start = min(max(low[axis] - margin, 0), 1)
        end = min(max(high[axis] + margin, 0), 1)
        for point in points:
            if end != start:
                point[axis] = (point[axis] - start) / (end - start)


def generated(count: int) -> Clips:
    """Generate clips of 25 to 75 frames of the whole skeleton, in which points, hands and frames
    are missing."""
    rng = np.random.default_rng(0)
    clips = []
    for frames in rng.integers(25, 76, count):
        keypoints = rng.uniform(-0.2, 1.2, (frames, 75, 2)).astype(np.float32)
        keypoints[rng.random((frames, 75)) < 0.1] = 0
        for hand in (slice(*MEDIAPIPE_75.groups[side]) for side in HANDS):
            keypoints[rng.random(frames) < 0.3, hand] = 0
        clips.append(keypoints)
    return clips


def seconds(prepare: Callable[[NDArray[Any]], Floats], clips: Clips) -> float:
    """Return how many seconds all the clips take."""
    start = time.perf_counter()
    for clip in clips:
        prepare(clip)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    clips = generated(arguments.clips)
    runs = [
        (seconds(prepare_by_loops, clips), seconds(prepare, clips)) for _ in range(arguments.rounds)
    ]
    loops, vectorized = (median(times) / len(clips) for times in zip(*runs, strict=True))
    table = Table("", "ms a clip", title=f"{len(clips)} clips, {sum(map(len, clips)):,} frames")
    table.add_row("loops", f"{1000 * loops:.2f}")
    table.add_row("prepare", f"{1000 * vectorized:.3f}")
    Console().print(table, f"{loops / vectorized:.0f} times as fast")


if __name__ == "__main__":
    main()
