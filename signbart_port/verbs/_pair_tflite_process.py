"""The .tflite files of a pair, made in the process that its code runs in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from signbart_port.parity.pair import Pair
from signbart_port.system.progress import ProgressCallback
from signbart_port.tflite.modes import Quantization
from signbart_port.verbs._pair_process import pair_process
from signbart_port.verbs._pair_tflite_files import PairEmitted, PairTFLiteFiles, PairTFLiteRequest

Emit = Callable[[Quantization, Path, ProgressCallback], PairEmitted]
"""Writes the file of a mode. Raises as `to_tflite_pair` does."""


@contextmanager
def tflite_files(pair: str | Pair, request: PairTFLiteRequest) -> Iterator[Emit]:
    """Yield what writes the file of a mode, for one or several of a model that is opened once."""
    if not isinstance(pair, str):
        with PairTFLiteFiles(pair, request) as files:
            yield files.emit
        return
    with pair_process(pair, kept=False) as process:

        def emit(mode: Quantization, out: Path, progress: ProgressCallback) -> PairEmitted:
            return process.call(_emit, request=request, mode=mode, out=out, progress=progress)

        yield emit


def _emit(
    pair: str,
    request: PairTFLiteRequest,
    mode: Quantization,
    out: Path,
    progress: ProgressCallback,
) -> PairEmitted:
    """Write the file of a mode, in a process that is for this model alone."""
    return _opened(pair, request).emit(mode, out, progress)


@cache
def _opened(pair: str, request: PairTFLiteRequest) -> PairTFLiteFiles:
    return PairTFLiteFiles(pair, request).__enter__()  # its folder is in the process' own
