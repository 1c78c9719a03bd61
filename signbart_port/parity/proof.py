"""Judge a Keras model or logits against a reference's outputs on the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from signbart_port.data.model_inputs import Inputs
from signbart_port.parity.blame import Finder, find
from signbart_port.parity.compare import LOGITS, Comparison, Floats, Truth
from signbart_port.parity.report import Report, Weights
from signbart_port.parity.tolerances import ALONE
from signbart_port.tflite.modes import Precision

Record = Callable[[str, Floats], None]


@dataclass(frozen=True)
class Call:
    """One call of one of the reference's modules: its path, the number of the call (from 1), the
    taps of its outputs and the files of its inputs."""

    path: str
    number: int
    taps: tuple[str, ...]
    files: tuple[Path, ...]

    def inputs(self) -> tuple[Floats, ...]:
        """What the module was fed, as float32 (float64 inputs rounded)."""
        return tuple(np.load(file) for file in self.files)


@dataclass(frozen=True)
class Isolation:
    """How to run a candidate's modules one by one: each fed the inputs of the reference's `calls`.

    The `noise` of `truth` is that of the reference's float32 modules, run in the same way.
    """

    truth: Truth
    calls: Sequence[Call]
    run: Callable[[Sequence[Call], Record], object]


def judge(
    names: tuple[str, str],
    truth: Truth,
    taps: Sequence[str],
    inputs: Inputs,
    run: Callable[[Record], object],
    precision: Precision = Precision.FLOAT32,
    *,
    isolation: Isolation | None = None,
    weights: Weights | None = None,
    finder: Finder | None = None,
) -> Report:
    """Run a candidate, comparing every output as it comes, with `truth`.

    `names` are the reference's and the candidate's, `taps` what must be compared, `run` calls its
    argument with each tap of the candidate, the logits among them. With `isolation` every module is
    also run alone. `finder` looks for the cause of a failure.
    """
    chained = Comparison(truth, taps, inputs.classified, precision)
    logits: dict[str, Floats] = {}

    def record(tap: str, output: Floats) -> None:
        if tap == LOGITS:
            logits[tap] = output
        chained.record(tap, output)

    run(record)
    alone = None
    if isolation is not None:
        modules = [tap for tap in taps if tap != LOGITS]
        alone = Comparison(isolation.truth, modules, inputs.classified, criterion=ALONE)
        isolation.run(isolation.calls, alone.record)
    expected, got = truth.value(LOGITS), logits[LOGITS]
    same = int(np.sum(expected.argmax(-1) == got.argmax(-1))) if got.shape == expected.shape else 0
    return Report(
        reference=names[0],
        candidate=names[1],
        clips=inputs.names,
        masks=inputs.drawn(),
        frames=inputs.attention_mask.shape[1],
        rows=chained.rows(),
        agreement=(same, len(inputs.names)),
        isolated=alone.rows() if alone else (),
        weights=weights,
        blame=find(chained, alone, weights, finder),
    )


class Recorded:
    """A truth held in memory: float64 outputs, and how far a float32 run was from them."""

    def __init__(self, values: Mapping[str, Floats], noise: Mapping[str, float]) -> None:
        self._values = values
        self.noise = noise

    def value(self, tap: str) -> Floats:
        return self._values[tap]
