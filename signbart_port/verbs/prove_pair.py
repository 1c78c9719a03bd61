"""The proof that the two implementations of a pair agree, whatever the weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from signbart_port.parity.pair import Pair
from signbart_port.parity.report import Report
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.transfer import Plan
from signbart_port.verbs._implementations import PERTURBED, Implementations, implementations_of
from signbart_port.verbs._pair_process import call_with_pair
from signbart_port.verbs.convert_pair import filled
from signbart_port.verbs.verify_pair import compared


def prove_pair(
    pair: str | Pair | None = None,
    *,
    config: str | Path | None = None,
    checkpoint: str | Path | None = None,
    weights: str | None = None,
    progress: ProgressCallback = no_progress,
) -> Report:
    """Compare the two models of a pair, built from their config alone, with perturbed weights.

    Fresh weights hide faults: biases are zero, gains are one. Perturbed ones hide none, and no
    checkpoint is needed. A pair's file is a program, which is run: give none that you have not
    read.

    Args:
        pair: The pair: `FILE.py`, `FILE.py:NAME`, the name of an installed one, or an object. None:
            this program's own SignBART, in PyTorch and in Keras.
        config: A YAML or JSON file with the config of the models; for SignBART also the name of a
            published one. Default: the one that comes with `checkpoint`, or the pair's example.
        checkpoint: A .pth, .pt or .safetensors checkpoint, of which the config alone is used.
        weights: The key that holds the weights of a checkpoint with several.
        progress: Called with the name of each step as it begins.

    Returns:
        The report; `passed` tells whether the two compute the same.

    Raises:
        PortError: A file, the config or the pair cannot be used.
    """
    given = {"config": config, "checkpoint": checkpoint, "weights": weights}
    return call_with_pair(_prove, pair, **given, progress=progress)


def _prove(
    pair: str | Pair | None,
    config: str | Path | None,
    checkpoint: str | Path | None,
    weights: str | None,
    progress: ProgressCallback,
) -> Report:
    return prove(implementations_of(pair, config, checkpoint, weights), progress)


def prove(both: Implementations, progress: ProgressCallback) -> Report:
    """Compare both sides of a pair. Raises PortError where one cannot be built or run."""
    progress("Building PyTorch's model")
    with both.opened() as opened:

        def fill(model: Any, plan: Plan) -> None:
            filled(model, plan, opened.checkpoint.tensors)

        report = compared(opened, f"{both.name} in Keras", fill, progress)
    return replace(report, notes=(PERTURBED, *report.notes))
