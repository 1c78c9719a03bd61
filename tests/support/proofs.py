"""The proof's parts for SignBART: runs of both models on clips, and what counts of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from signbart_port.data.model_inputs import Inputs
from signbart_port.pairs.signbart import SIGNBART, case_of
from signbart_port.parity import proof
from signbart_port.parity.counting import Counting, largest_difference
from signbart_port.parity.pair import Arrays, Pair, Tap
from signbart_port.parity.report import Report
from signbart_port.parity.taps import Floats

LAYOUTS = SIGNBART.taps(None)


class NamedAxes(Pair):
    """A pair whose outputs have the axes that a test names."""

    def __init__(self, **taps: str) -> None:
        self._taps = {path: Tap(axes) for path, axes in taps.items()}

    def taps(self, config: Any) -> Mapping[str, Tap]:
        return self._taps

    def summary(self, expected: Any, got: Any) -> Mapping[str, Any]:
        return SIGNBART.summary(expected, got)


def counting_of(inputs: Inputs) -> Counting:
    return Counting.of(SIGNBART, None, case_of(inputs))


def noise_of(float32: Arrays, float64: Arrays, inputs: Inputs) -> dict[str, float]:
    """Return how far each output is from float64 where it counts."""
    counting = counting_of(inputs)
    return {tap: largest_difference(tap, float32[tap], float64[tap], counting) for tap in float64}


def run_torch(model: Any, inputs: Inputs, record: proof.Record, called: Any = None) -> None:
    """Run a PyTorch SignBART on clips, see `torch_recording.run`."""
    from signbart_port.parity import torch_recording

    torch_recording.run(SIGNBART, model, case_of(inputs).torch, LAYOUTS, record, called)


def run_keras(
    model: Any, inputs: Inputs, record: proof.Record, dtype: str = "float32", pair: Pair = SIGNBART
) -> Floats:
    """Run a Keras SignBART on clips, see `keras_run.run`."""
    from signbart_port.parity import keras_run

    return keras_run.run(pair, model, case_of(inputs).keras, LAYOUTS, record, dtype)


def judge(
    names: tuple[str, str], truth: Any, taps: Any, inputs: Inputs, run: Any, **options: Any
) -> Report:
    """Judge a SignBART on clips, see `proof.judge`."""
    return proof.judge(SIGNBART, case_of(inputs), names, truth, taps, run, **options)
