"""The graph of a .tflite against Keras, undisturbed by the rounding of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.config import SignBartConfig
from signbart_port.data.model_inputs import Inputs
from signbart_port.data.model_interface import Interface
from signbart_port.errors import PortError
from signbart_port.inference.logits import run
from signbart_port.parity.compare import Row, absent
from signbart_port.parity.compare import compare as compare_outputs
from signbart_port.parity.counting import Counting
from signbart_port.parity.proof import Recorded
from signbart_port.parity.report import Blame, Evidence, Report
from signbart_port.system import processes
from signbart_port.tflite import object_tree
from signbart_port.tflite.model_file import TFLiteFile
from signbart_port.tflite_export.converter_rewrites import Float32
from signbart_port.tflite_export.dequantize import as_stored, dequantized, stored
from signbart_port.tflite_export.weight_matching import Matching, match

GRAPH = "graph"
"""The tap of the logits that a file's graph gives with its weights as they are, none rounded."""


class GraphProof:
    """Keras in float64 with the weights that a file has, ready to be compared with its graph.

    `tensors` are the weights, by path, of the Keras model that the file was made of. `model` is a
    Keras model of `config` in float64: its weights are replaced; without one, one is built. `found`
    is the matching of weights and constants, where it was made before. What remains unproven of a
    file that passes is the rounding of activations to integers.
    """

    def __init__(
        self,
        file: TFLiteFile,
        config: SignBartConfig,
        tensors: Mapping[str, Float32],
        interface: Interface,
        model: Any = None,
        found: Matching | None = None,
    ) -> None:
        from signbart_port.keras_model import SignBart
        from signbart_port.keras_model.layers import LAYER_NORM_EPSILON, LayerNorm
        from signbart_port.keras_model.weights import assign

        self._file, self._config, self._interface = file, config, interface
        self._model = None
        found = found or match(file, config, tensors)
        if found.missing:
            return
        self._model = SignBart(config, dtype="float64") if model is None else model
        assign(self._model, stored(found, config, tensors, file.precision).items())
        for layer in self._model._flatten_layers():
            if isinstance(layer, LayerNorm):
                layer.epsilon = as_stored(LAYER_NORM_EPSILON, file.precision)

    def row(self, inputs: Inputs, noise: float, outputs: NDArray[np.float32] | None = None) -> Row:
        """Return the verdict, by the criterion for float32.

        `noise` is how far a float32 run of the original model is from float64. `outputs` are
        those of the file's own run, where there was one. A file that lacks a weight fails.
        """
        if self._model is None:
            return absent(GRAPH)
        read = self._interface.prepared(inputs, self._config)
        logits = np.asarray(self._model(read.keypoints, read.attention_mask, training=False))
        truth = Recorded({GRAPH: self._interface.output_of(logits)}, {GRAPH: noise})
        if outputs is None or self._file.precision.stores_integers:
            outputs = self._run(inputs)
        return compare_outputs(GRAPH, outputs, truth, Counting.whole())

    def _run(self, inputs: Inputs) -> NDArray[np.float32]:
        if not self._file.precision.stores_integers:
            return run(self._file, inputs).outputs
        with processes.scratch_errors(), processes.new_folder() as folder:
            path = Path(folder) / "dequantized.tflite"
            path.write_bytes(self._dequantized)
            try:
                return run(replace(self._file, path=path), inputs).outputs
            except PortError as error:
                what = "cannot be run with its integers as float32: a graph of another kind"
                raise PortError(self._file.path, what) from error

    @cached_property
    def _dequantized(self) -> bytes:
        with object_tree.opened(self._file.path):  # whose boundary it is to damaged bytes
            return dequantized(self._file.path.read_bytes(), self._file.signature)


def with_graph(report: Report, row: Row) -> Report:
    """Add the verdict on the graph of a file to the report on its logits."""
    blame = report.blame
    if blame is None and not row.passed:
        blame = Blame(row.module, Evidence.CHAINED, row)
    return replace(report, rows=(row, *report.rows), blame=blame)
