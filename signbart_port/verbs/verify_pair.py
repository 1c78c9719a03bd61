"""A checkpoint and the Keras model of any pair that was made of it, compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from signbart_port.hub.fetch import fetched
from signbart_port.parity.by_rules import Values
from signbart_port.parity.pair import Pair
from signbart_port.parity.report import Report
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.system.stderr import silenced_stderr
from signbart_port.transfer import Plan
from signbart_port.untrusted.file_kind import Kind, sniff
from signbart_port.verbs._pair_models import PairCheckpoint, open_pair
from signbart_port.verbs._pair_process import call_with_pair
from signbart_port.verbs._verify_tflite import verify_tflite


def verify_pair(
    path: str | Path,
    keras_file: str | Path,
    pair: str | Pair,
    *,
    config: str | Path | None = None,
    weights: str | None = None,
    progress: ProgressCallback = no_progress,
) -> Report:
    """Compare a PyTorch checkpoint with a Keras file of the same pair, or with a .tflite.

    The Keras model is the pair's, with the weights of the file: nothing else in the file is read.
    A .tflite is held against a float32 one that is made anew of the checkpoint, and proven. A
    pair's file is a program, which is run: give none that you have not read.

    Args:
        path: A .pth, .pt or .safetensors checkpoint, or a folder with one.
        keras_file: The .keras, .weights.h5 or .h5; or the .tflite.
        pair: The pair: `FILE.py`, `FILE.py:NAME`, the name of an installed one, or an object.
        config: A YAML or JSON file with the config of the models. Default: what the checkpoint
            holds, or a config.json beside it.
        weights: The key that holds the weights of a checkpoint with several.
        progress: Called with the name of each step as it begins.

    Returns:
        The report; `passed` tells whether the two are equal.

    Raises:
        PortError: A file or the pair cannot be used.
    """
    keras_file = Path(keras_file)
    kind = sniff(keras_file)
    source = fetched(Path(path), progress)
    given = {"path": source, "file": keras_file, "config": config, "weights": weights}
    function = verify_tflite if kind is Kind.TFLITE else _verify
    return call_with_pair(function, pair, **given, progress=progress)


def _verify(
    path: Path,
    file: Path,
    pair: str | Pair,
    config: str | Path | None,
    weights: str | None,
    progress: ProgressCallback,
) -> Report:
    progress("Reading the checkpoint")
    opened = open_pair(path, pair, config, weights)

    def load(model: Any, plan: Plan) -> None:
        progress("Reading the Keras file")
        opened.fill(model, file)

    return compared(opened, str(file), load, progress)


def compared(
    opened: PairCheckpoint,
    name: str,
    fill: Callable[[Any, Plan], object],
    progress: ProgressCallback,
) -> Report:
    """Compare a checkpoint with the Keras model of its pair, called `name`, once it has been given
    its weights by `fill`."""
    with opened.running(opened.cases[0]) as reference, silenced_stderr():
        progress("Importing TensorFlow")
        model = opened.keras_model()
        plan = opened.plan(model)
        fill(model, plan)
        progress("Running PyTorch")
        reference.wait()
        progress("Comparing every module")
        found = opened.weights(plan, Values(model))
        return opened.report(name, model, plan, found, reference)
