"""The .tflite files of a pair, made in the process that its code runs in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from signbart_port.parity.pair import Pair
from signbart_port.system.progress import ProgressCallback
from signbart_port.tflite.modes import Quantization
from signbart_port.verbs._pair_process import pair_process
from signbart_port.verbs._pair_tflite_files import PairEmitted, PairTFLiteFiles

Emit = Callable[[Quantization, Path, ProgressCallback], PairEmitted]
"""Writes the file of a mode. Raises as `to_tflite_pair` does."""


@contextmanager
def tflite_files(
    path: str | Path,
    pair: str | Pair,
    modes: Sequence[Quantization],
    config: str | Path | None,
    weights: str | None,
    *,
    max_error: float | None,
    not_proven: bool,
    force: bool,
) -> Iterator[Emit]:
    """Yield what writes the file of a mode, for one or several of a model that is opened once."""
    how: dict[str, Any] = {"max_error": max_error, "not_proven": not_proven, "force": force}
    files = PairTFLiteFiles(path, pair, modes, config, weights, **how)
    if not isinstance(pair, str):
        with files:
            yield files.emit
        return
    about = {"path": Path(path), "modes": tuple(modes), "config": config, "weights": weights}
    with pair_process(pair, kept=False) as process:

        def emit(mode: Quantization, out: Path, progress: ProgressCallback) -> PairEmitted:
            return process.call(_emit, **about, **how, mode=mode, out=out, progress=progress)

        yield emit


def _emit(
    path: Path,
    pair: str,
    modes: tuple[Quantization, ...],
    config: str | Path | None,
    weights: str | None,
    max_error: float | None,
    not_proven: bool,
    force: bool,
    mode: Quantization,
    out: Path,
    progress: ProgressCallback,
) -> PairEmitted:
    """Write the file of a mode, in a process that is for this model alone."""
    how = {"max_error": max_error, "not_proven": not_proven, "force": force}
    return _opened(path, pair, modes, config, weights, **how).emit(mode, out, progress)


@cache
def _opened(*given: Any, **how: Any) -> PairTFLiteFiles:
    return PairTFLiteFiles(*given, **how).__enter__()  # its folder is in the process' own
