"""The modules of an integer file to keep in float, if it fails its gate with all in integers.

Each module is measured by what the file gains when this one alone is in float. The worst are kept,
twice as many at each attempt, until the gate is passed: first without their products with weights,
which cost next to nothing in bytes, then with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from signbart_port.system.progress import ProgressCallback
from signbart_port.tflite import model_file, object_tree
from signbart_port.tflite_export.quantization import module_of

_ATTEMPTS = (1, 2, 4, 8, 16)
_COMPUTING = ("BATCH_MATMUL", "SOFTMAX", "GELU", "RSQRT")


@dataclass(frozen=True)
class Gain:
    """A module, and the error of the whole file on the clips of calibration, as a root mean square,
    with this module alone in float."""

    module: str
    error: float


@dataclass(frozen=True)
class Kept:
    """The modules that stay in float, the worst first, with what was measured of each, and whether
    `with_weights`; the error with none of them, and the bytes that they cost."""

    gains: tuple[Gain, ...] = ()
    with_weights: bool = False
    error: float = 0.0
    bytes: int = 0

    @property
    def modules(self) -> tuple[str, ...]:
        return tuple(gain.module for gain in self.gains)


def modules(float_file: Path) -> list[str]:
    """Return the modules of a float32 file that compute anything, in the order of the run."""
    with object_tree.opened(float_file) as model:
        graph = object_tree.graph_of(model, model_file.SIGNATURE)
        found: dict[str, None] = {}
        for op in graph.operators:
            if object_tree.kind_of(model, op) in _COMPUTING:
                found[module_of(graph.tensors[op.outputs[0]].name.decode())] = None
        return [module for module in found if module]


def search(
    float_file: Path,
    quantized: Callable[[tuple[str, ...], bool], Path],
    outputs: Callable[[Path], NDArray[np.floating]],
    progress: ProgressCallback,
) -> Iterator[tuple[Kept, Path]]:
    """Yield attempts, each a file with more modules in float; none if no module in float helps.

    `quantized` makes a file with these modules in float, with or without their weights, `outputs`
    runs one on the clips of calibration.
    """
    truth = outputs(float_file)

    def error(file: Path) -> float:
        return float(np.sqrt(np.mean((outputs(file) - truth) ** 2)))

    whole = quantized((), False)
    base, size = error(whole), whole.stat().st_size
    gains = []
    names = modules(float_file)
    for number, module in enumerate(names, start=1):
        progress(f"Measuring {module} ({number} of {len(names)})")
        gains.append(Gain(module, error(quantized((module,), False))))
    gains.sort(key=lambda gain: gain.error)
    worse = [gain for gain in gains if gain.error < base]
    for with_weights in (False, True) if worse else ():
        for count in _ATTEMPTS:
            kept = tuple(worse[:count])
            file = quantized(tuple(gain.module for gain in kept), with_weights)
            yield Kept(kept, with_weights, base, file.stat().st_size - size), file
            if count >= len(worse):
                break
