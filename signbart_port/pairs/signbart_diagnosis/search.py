"""Find the cause of a failed proof: the mistake that gives the very numbers that were found."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from signbart_port.config import SignBartConfig
from signbart_port.pairs.signbart_diagnosis.mistakes import candidates
from signbart_port.pairs.signbart_diagnosis.numpy_model import NumPySignBart, Tensors
from signbart_port.parity.blame import ModuleInputs
from signbart_port.parity.compare import Row
from signbart_port.parity.counting import Counting
from signbart_port.parity.pair import Case, Tap
from signbart_port.parity.taps import LOGITS, Floats, module_of, part_of

_NONE = "it is SignBART's, and the reference computes something else"


class Search:
    """A trial of every known mistake on the inputs of a failed module, or of the whole model.

    `tensors` gives the reference's weights under PyTorch's names, and is called on failure only.
    """

    def __init__(
        self,
        config: SignBartConfig,
        tensors: Callable[[], Tensors],
        case: Case,
        taps: Mapping[str, Tap],
    ) -> None:
        self._config, self._tensors, self._case = config, tensors, case
        self._counting = Counting(taps, case.counted)

    def __call__(self, row: Row, output: Floats, inputs: ModuleInputs | None) -> str:
        """Return the cause of a failed `row` in a sentence: the mistake whose output is nearest to
        the wrong `output`. Empty if none is within the error of float32."""
        if row.tap == LOGITS:
            path, arguments = (
                "",
                tuple(self._case.torch[n] for n in ("keypoints", "attention_mask")),
            )
        elif inputs is not None:
            path, arguments = module_of(row.tap), inputs
        else:
            return ""
        got = self._counting.select(row.tap, output)
        # Nearer to it than the truth is: a mistake that changes nothing here explains nothing.
        best, sentence = min(row.limit, row.error / 2), ""
        tensors = self._tensors()
        right = NumPySignBart(self._config, tensors)
        for said, model in ((_NONE, right), *candidates(self._config, tensors, path)):
            with np.errstate(all="ignore"):  # a wrong model may overflow
                value = model.call(path, *arguments)[part_of(row.tap)]
                if value.shape != output.shape:
                    continue
                counted = self._counting.select(row.tap, value)
                off = np.max(np.abs(counted - got), initial=0.0)
            if off <= best:  # NaN explains nothing
                best, sentence = off, said
                if said == _NONE:
                    break  # a mistake that changes nothing would be as near
        return sentence
