"""The error of each operator of a .tflite with rounded numbers: the job of LiteRT's interpreter.

The file runs beside its twin, the same graph in float32 with the model's own weights, on the same
clips. A tensor of one is the tensor of that number in the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from signbart_port.config import SignBartConfig
from signbart_port.data.model_inputs import Inputs
from signbart_port.errors import PortError
from signbart_port.system import processes
from signbart_port.system.warm_workers import lent
from signbart_port.system.worker import Limits, WorkerFailed
from signbart_port.tflite import object_tree
from signbart_port.tflite.model_file import TFLiteFile
from signbart_port.tflite_export.converter_rewrites import Float32
from signbart_port.tflite_export.dequantize import dequantized
from signbart_port.tflite_export.weight_matching import match

WORKER = "signbart_port.tflite_export.workers.operator_runner"
ERRORS = "errors"
_SECONDS = 600
_MEMORY = 60
"""The times the file's size that keeping every tensor of a run may take."""


@dataclass(frozen=True)
class OperatorsJob:
    """A signature of a .tflite beside its twin, on clips, which are the job's arrays.

    The answer is an array of `ERRORS`, one for each operator of the file's graph.
    """

    model: Path
    twin: Path
    signature: str


@dataclass(frozen=True)
class OperatorErrors:
    """The errors of the operators of a signature's graph."""

    graph: str
    """The name of the graph in the file."""
    operators: tuple[str, ...]
    """The name of each operator, in the order of the file."""
    errors: NDArray[np.float64]
    """The largest difference of each operator's output from the twin's, relative to its largest
    value there; NaN for one that computes no real numbers."""


def measure(
    file: TFLiteFile, config: SignBartConfig, tensors: Mapping[str, Float32], inputs: Inputs
) -> OperatorErrors:
    """Measure every operator of a file's signature on clips.

    `tensors` are the weights, by path, of the Keras model that the file was made of. Raises
    PortError for a file that lacks one, and for a file that cannot be run.
    """
    found = match(file, config, tensors)
    if found.missing:
        what = f"lacks the weight {found.missing[0]}: its operators have no exact values"
        raise PortError(file.path, what, "See what verify says without --node-data")
    weights = {held.constant.name: held.form.values for held in found.held.values()}
    with object_tree.opened(file.path) as model:
        graph = object_tree.graph_of(model, file.signature)
        name = object_tree.text(graph.name)
        operators = tuple(object_tree.kind_of(model, op) for op in graph.operators)
        twin_data = dequantized(file.path.read_bytes(), file.signature, weights)
    with processes.scratch_errors(), processes.new_folder() as folder:
        twin = Path(folder) / "twin.tflite"
        twin.write_bytes(twin_data)
        job = OperatorsJob(file.path.resolve(), twin, file.signature)
        limits = Limits(_SECONDS, _MEMORY * twin.stat().st_size + _clips_size(inputs))
        with lent(WORKER, program=str(file.path.absolute())) as worker:
            worker.send(job, limits, inputs.arrays())
            try:
                errors = worker.answer().arrays[ERRORS]
            except WorkerFailed as failed:
                raise failed.error(file.path, "the LiteRT interpreter cannot run it") from None
    for number in np.flatnonzero(np.isinf(errors)):
        what = f"its operator {number}, {operators[number]}, gives numbers that are not finite"
        raise PortError(file.path, what, "Make it again, with signbart-port tflite")
    return OperatorErrors(name, operators, errors)


def _clips_size(inputs: Inputs) -> int:
    return sum(array.nbytes for array in inputs.arrays().values())
