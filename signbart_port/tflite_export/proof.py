"""The proof of a .tflite: its weights, what it computes, and where it is rounded its graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.data.model_inputs import Inputs
from signbart_port.data.model_interface import Interface
from signbart_port.errors import ProofError
from signbart_port.inference.logits import SignatureRun, run
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.pairs.signbart import SIGNBART, case_of
from signbart_port.pairs.signbart_cases import make_read
from signbart_port.parity.counting import Counting, largest_difference
from signbart_port.parity.proof import Record, Recorded, judge
from signbart_port.parity.report import Report
from signbart_port.parity.taps import LOGITS
from signbart_port.parity.tolerances import rounded_to
from signbart_port.tflite.model_file import TFLiteFile
from signbart_port.tflite.modes import Precision, Quantization
from signbart_port.tflite_export import weight_proof
from signbart_port.tflite_export.graph_proof import GraphProof, with_graph
from signbart_port.tflite_export.weight_matching import match

_VARIABLE_OPERATORS = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE")


@dataclass(frozen=True)
class Expected:
    """Clips of one length, and what a model must give for them."""

    file_inputs: Inputs  # the clips as the .tflite reads them
    model_inputs: Inputs  # the same clips as the Keras model reads them
    truth: Recorded  # Keras in float64, and how far Keras in float32 is from it


class Models:
    """The Keras model of an opened model.h5, in float32 and in float64.

    Imports TensorFlow.
    """

    def __init__(self, file: KerasModel, interface: Interface, integer: bool) -> None:
        from signbart_port.model_files.keras_h5 import build

        self.file, self._interface, self._integer = file, interface, integer
        self.float32, self.float64 = build(file), build(file, "float64")

    def expected(self, frames: int) -> Expected:
        """Run clips of every kind of mask; only padded ones for an integer graph, which knows no
        others (see `keras_model.masks`)."""
        file_inputs = make_read(self._interface, frames)
        if self._integer:
            file_inputs = file_inputs.beginning_real()
        model_inputs = self._interface.prepared(file_inputs, self.file.config)
        float32, float64 = (
            self._interface.output_of(outputs(model, model_inputs))
            for model in (self.float32, self.float64)
        )
        noise = largest_difference(LOGITS, float32, float64, Counting.whole())
        return Expected(file_inputs, model_inputs, Recorded({LOGITS: float64}, {LOGITS: noise}))


def outputs(model: Any, inputs: Inputs) -> NDArray[np.floating]:
    """Return the logits of a Keras model."""
    return np.asarray(model(inputs.keypoints, inputs.attention_mask, training=False))


def check_graph(path: Any, file: TFLiteFile, quantization: Quantization) -> None:
    """Raise ProofError unless a file is of the requested mode and needs only builtin operators."""
    wrong = [o for o in file.ops if o.startswith("custom:") or o in _VARIABLE_OPERATORS]
    if wrong:
        raise ProofError(f"{path}: the converter left {', '.join(wrong)} in the graph")
    spec, found = quantization.spec, file.precision
    if found is not spec.precision:
        raise ProofError(f"{path}: asked for {quantization.value}, the file is {found.value}")
    if file.integer_io != spec.integer_io:
        found_io = "integers" if file.integer_io else "floats"
        raise ProofError(f"{path}: asked for {quantization.value}, the file takes {found_io}")


def prove(
    names: tuple[str, str],
    files: Iterable[TFLiteFile],
    models: Models,
    expected: Mapping[int, Expected],
    interface: Interface,
) -> Iterator[tuple[Report, SignatureRun]]:
    """Yield a report for each number of frames in `expected`, with its run.

    `files` are the signatures of one file. Keras in float64 is given other weights.
    """
    config, tensors = models.file.config, models.file.tensors
    for file in files:
        found = match(file, config, tensors)
        compared = weight_proof.compare(file, config, tensors, found)
        lengths = [file.frames] if file.frames else sorted(expected)
        graph = None
        for frames in lengths:
            one = expected[frames]
            result = run(file, one.file_inputs, timed=True)
            report = judge(
                SIGNBART,
                case_of(one.file_inputs),
                names,
                one.truth,
                [LOGITS],
                partial(_record, result),
                rounded_to(file.precision.spec.logit_tolerance),
                config=config,
                weights=compared,
            )
            if file.precision is not Precision.FLOAT32:
                graph = graph or GraphProof(file, config, tensors, interface, models.float64, found)
                row = graph.row(one.file_inputs, one.truth.noise[LOGITS], result.outputs)
                report = with_graph(report, row)
            yield report, result


def _record(result: SignatureRun, record: Record) -> None:
    record(LOGITS, result.outputs)
