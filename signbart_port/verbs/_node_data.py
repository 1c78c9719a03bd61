"""The errors of a .tflite's operators as a file for Model Explorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from signbart_port.data.model_inputs import Inputs
from signbart_port.errors import PortError
from signbart_port.model_files.model_file import ModelFile
from signbart_port.model_files.tflite_model import TFLiteModel
from signbart_port.system import atomic_output
from signbart_port.tflite import node_data
from signbart_port.tflite.modes import Precision
from signbart_port.tflite_export import operator_errors
from signbart_port.tflite_export.operator_errors import OperatorErrors

_NAME = "error, relative to the largest value"
_SHOWN = 3  # operators in the note


@dataclass(frozen=True)
class NodeDataFile:
    """A file of node data, to be written beside a comparison of the files `inputs`."""

    path: Path
    force: bool
    inputs: tuple[Path, ...]

    def check(self) -> None:
        """Refuse, before any work, what cannot be written. Raises PortError."""
        atomic_output.check_suffix(self.path, [".json"], "node data")
        atomic_output.check(self.path, force=self.force, inputs=self.inputs)

    def check_models(self, reference: ModelFile, candidate: ModelFile) -> None:
        """Raise PortError for models of which no operator is measured: without a .tflite, without
        the weights that it was made of, and float32 files, which round nothing."""
        if not isinstance(candidate, TFLiteModel):
            raise PortError(self.path, "node data are of a .tflite", "Compare one")
        if reference.config is None:
            what = "has no weights to compute exact values with"
            raise PortError(reference.path, what, "Compare the .tflite with its .h5 or .pth")
        if candidate.precision is Precision.FLOAT32:
            what = "rounds nothing: no operator of a float32 file has an error to show"
            raise PortError(candidate.path, what, "Leave --node-data out")

    def write(self, found: Sequence[OperatorErrors]) -> str:
        """Write the errors of the operators of some signatures, the longest first. Returns a note
        for the user."""
        text = node_data.to_json(_NAME, {one.graph: one.errors.tolist() for one in found})
        with atomic_output.replacing(self.path, force=self.force, inputs=self.inputs) as temp:
            temp.write_text(text, encoding="utf-8")
        operators, errors = found[0].operators, found[0].errors
        order = np.argsort(-np.nan_to_num(errors, nan=-1), kind="stable")[:_SHOWN]
        worst = ", ".join(f"{operators[n]} {n} {errors[n]:.1%}" for n in order)
        measured = sum(int(np.isfinite(one.errors).sum()) for one in found)
        return f"{self.path}: the errors of {measured} operators, the largest {worst}"


def measured(reference: ModelFile, candidate: ModelFile, inputs: Inputs) -> OperatorErrors:
    """Measure the operators of a .tflite against a model that `check_models` has passed."""
    assert isinstance(candidate, TFLiteModel) and reference.config is not None
    tensors = reference.keras_tensors
    return operator_errors.measure(candidate.file, reference.config, tensors, inputs)
