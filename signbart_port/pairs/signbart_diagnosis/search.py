"""Find the cause of a failed proof: the mistake that gives the very numbers that were found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from signbart_port.config import SignBartConfig
from signbart_port.data.model_inputs import Inputs
from signbart_port.pairs.signbart_diagnosis.mistakes import candidates
from signbart_port.pairs.signbart_diagnosis.numpy_model import Tensors
from signbart_port.parity.compare import (
    LOGITS,
    Floats,
    Row,
    counted,
    module_of,
    part_of,
)
from signbart_port.parity.proof import Call


class Search:
    """Tries every known mistake on the inputs of a failed module, or of the whole model.

    `tensors` gives the reference's weights under PyTorch's names, and is called on failure only.
    """

    def __init__(
        self,
        config: SignBartConfig,
        tensors: Callable[[], Tensors],
        inputs: Inputs,
        calls: Sequence[Call],
    ) -> None:
        self._config, self._tensors, self._inputs, self._calls = config, tensors, inputs, calls

    def __call__(self, row: Row, output: Floats) -> str:
        """What is wrong with the module of `row`, in a sentence: the mistake that comes nearest to
        its wrong `output`, if within float32's error; else empty."""
        path = "" if row.tap == LOGITS else module_of(row.tap)
        frames = self._inputs.classified
        got = counted(output, frames)
        fed = self._fed(row.tap)
        # Nearer to it than the truth is: a mistake that changes nothing here explains nothing.
        best, sentence = min(row.limit, row.error / 2), ""
        for said, model in candidates(self._config, self._tensors(), path):
            with np.errstate(all="ignore"):  # a wrong model may overflow
                value = model.call(path, *fed)[part_of(row.tap)]
                if value.shape != output.shape:
                    continue
                off = np.max(np.abs(counted(value, frames) - got), initial=0.0)
            if off <= best:  # NaN explains nothing
                best, sentence = off, said
        return sentence

    def _fed(self, tap: str) -> tuple[Floats, ...]:
        if tap == LOGITS:
            return self._inputs.keypoints, self._inputs.attention_mask
        return next(call.inputs() for call in self._calls if tap in call.taps)
