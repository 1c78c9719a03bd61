"""The two sides of a comparison: what runs a model file, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from signbart_port.data.model_inputs import Inputs
from signbart_port.inference.logits import run
from signbart_port.model_files.checkpoint_model import CheckpointModel
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.model_files.model_file import ModelFile
from signbart_port.model_files.tflite_model import TFLiteModel
from signbart_port.pairs.signbart import SIGNBART, case_of
from signbart_port.pairs.signbart_torch_run import torch_run
from signbart_port.parity.compare import Truth
from signbart_port.parity.counting import Counting, largest_difference
from signbart_port.parity.proof import Isolation, Record, Recorded
from signbart_port.parity.reference import TorchRun
from signbart_port.parity.taps import LOGITS, Floats
from signbart_port.parity.tolerances import UNMEASURED

if TYPE_CHECKING:
    from signbart_port.keras_model import SignBart


class Side(Protocol):
    """A model file that can be run on the inputs of a comparison, as either side of it."""

    def truth(self) -> tuple[Truth, Sequence[str]]:
        """Return the outputs as those of the reference, and their taps."""

    def run(self, record: Record) -> None:
        """Record the outputs as the candidate's."""

    def isolation(self, reference: Side) -> Isolation | None:
        """Return a way to run the modules alone; None unless both sides show their modules."""

    def in_float64(self) -> Callable[[Record], object] | None:
        """Return a way to record the candidate's outputs in float64; None where there is none."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the run does not vouch for, once it has ended."""


def side_of(model: ModelFile, inputs: Inputs, stack: ExitStack, *, truth: bool) -> Side:
    """Make the side of a model file; PyTorch's process starts now, and ends with `stack`.

    `truth` is for the reference.
    """
    match model:
        case CheckpointModel():
            return TorchSide(stack.enter_context(torch_run(model, inputs, truth=truth)))
        case KerasModel():
            return KerasSide(model, inputs)
        case TFLiteModel():
            return TFLiteSide(model, inputs)
    raise TypeError(f"{type(model)} is no model file")


class TorchSide:
    """A checkpoint, run by PyTorch in a process of its own."""

    def __init__(self, process: TorchRun) -> None:
        self.process = process

    def truth(self) -> tuple[Truth, Sequence[str]]:
        return self.process, self.process.record.taps

    def run(self, record: Record) -> None:
        for tap, output in self.process.outputs():
            record(tap, output)

    def isolation(self, reference: Side) -> Isolation | None:
        return None

    def in_float64(self) -> None:
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        return self.process.notes


class _Silent:
    @property
    def notes(self) -> tuple[str, ...]:
        return ()


class KerasSide(_Silent):
    """A model.h5, run by Keras in this process."""

    def __init__(self, model: KerasModel, inputs: Inputs) -> None:
        self._model, self._case = model, case_of(inputs)
        self._layouts = SIGNBART.taps(model.config)

    @cached_property
    def _float32(self) -> SignBart:
        from signbart_port.model_files.keras_h5 import build

        return build(self._model)

    def truth(self) -> tuple[Truth, Sequence[str]]:
        float64: dict[str, Floats] = {}
        noise: dict[str, float] = {}
        counting = Counting(self._layouts, self._case.counted)
        self._run_in_float64(float64.__setitem__)

        def measure(tap: str, output: Floats) -> None:
            noise[tap] = largest_difference(tap, output, float64[tap], counting)

        self.run(measure)
        return Recorded(float64, noise), list(float64)

    def in_float64(self) -> Callable[[Record], object]:
        return self._run_in_float64

    def _run_in_float64(self, record: Record) -> None:
        from signbart_port.model_files.keras_h5 import build
        from signbart_port.parity import keras_run

        double = build(self._model, "float64")
        keras_run.run(SIGNBART, double, self._case.keras, self._layouts, record, "float64")

    def run(self, record: Record) -> None:
        from signbart_port.parity import keras_run

        keras_run.run(SIGNBART, self._float32, self._case.keras, self._layouts, record)

    def isolation(self, reference: Side) -> Isolation | None:
        from signbart_port.parity import keras_run

        if not isinstance(reference, TorchSide):
            return None
        return keras_run.isolation(self._float32, self._layouts, reference.process)


class TFLiteSide(_Silent):
    """A signature of a .tflite, run by LiteRT in a process of its own, which shows its logits."""

    def __init__(self, model: TFLiteModel, inputs: Inputs) -> None:
        self._model, self._inputs = model, inputs

    def truth(self) -> tuple[Truth, Sequence[str]]:
        logits = self._outputs()
        noise = UNMEASURED * float(abs(logits).max(initial=0.0))
        return Recorded({LOGITS: logits}, {LOGITS: noise}), [LOGITS]

    def run(self, record: Record) -> None:
        record(LOGITS, self._outputs())

    def isolation(self, reference: Side) -> Isolation | None:
        return None

    def in_float64(self) -> None:
        return None

    def _outputs(self) -> Floats:
        return run(self._model.file, self._inputs).outputs
