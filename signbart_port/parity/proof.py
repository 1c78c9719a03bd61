"""Judge a Keras model or logits against a reference's outputs on the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from signbart_port.parity.compare import LOGITS, Comparison, Floats, Truth
from signbart_port.parity.inputs import Inputs
from signbart_port.parity.report import Report
from signbart_port.parity.tolerances import Precision

Record = Callable[[str, Floats], None]


def judge(
    names: tuple[str, str],
    truth: Truth,
    taps: Sequence[str],
    inputs: Inputs,
    run: Callable[[Record], object],
    precision: Precision = Precision.FLOAT32,
) -> Report:
    """Run a candidate, comparing every output as it comes, with `truth`.

    `names` are the reference's and the candidate's, `taps` what must be compared, `run` calls its
    argument with each tap of the candidate, the logits among them.
    """
    comparison = Comparison(truth, taps, inputs.classified, precision)
    logits: dict[str, Floats] = {}

    def record(tap: str, output: Floats) -> None:
        if tap == LOGITS:
            logits[tap] = output
        comparison.record(tap, output)

    run(record)
    expected, got = truth.value(LOGITS), logits[LOGITS]
    same = int(np.sum(expected.argmax(-1) == got.argmax(-1))) if got.shape == expected.shape else 0
    return Report(
        reference=names[0],
        candidate=names[1],
        clips=inputs.names,
        masks=inputs.drawn(),
        frames=inputs.attention_mask.shape[1],
        rows=comparison.rows(),
        agreement=(same, len(inputs.names)),
    )


class Recorded:
    """A truth held in memory: float64 outputs, and how far a float32 run was from them."""

    def __init__(self, values: Mapping[str, Floats], noise: Mapping[str, float]) -> None:
        self._values = values
        self.noise = noise

    def value(self, tap: str) -> Floats:
        return self._values[tap]
