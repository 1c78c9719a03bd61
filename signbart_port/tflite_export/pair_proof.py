"""The proof of a pair's .tflite: its exact file against Keras, its rounded ones against that.

The float32 file computes what Keras does, within the criterion for float32, on every case of the
pair. A file with rounded weights is held against the float32 one: the same graph, and each constant
the nearest that its type allows; integer activations are for the ranges of the calibration. How far
its outputs then are is no fault, and is measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from signbart_port.errors import PortError, ProofError, first_of, printable
from signbart_port.parity.counting import Counting, largest_difference
from signbart_port.parity.pair import Case, Pair, tap_of
from signbart_port.parity.proof import Record, Recorded, judge
from signbart_port.parity.report import Report
from signbart_port.parity.taps import LOGITS, Floats
from signbart_port.parity.tolerances import UNMEASURED, largest, spread
from signbart_port.tflite import constants, object_tree
from signbart_port.tflite.signature_graph import CONVERSIONS, SignatureGraph, described
from signbart_port.tflite_export.correspondence import Correspondence
from signbart_port.tflite_export.pair_conversion import Arrays, Ran, SignatureSpec, run

_NOT_BUILTIN = ("custom:", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE")


@dataclass(frozen=True)
class Fitted:
    """A case as a signature takes it, and what the Keras model gives for it."""

    case: Case
    inputs: Arrays
    truth: Recorded
    """Keras in float64, by tap, and how far Keras in float32 is from it."""


@dataclass(frozen=True)
class Proven:
    """A signature of a file, held against the Keras model or the exact file."""

    graph: SignatureGraph
    reports: tuple[Report, ...]
    """Of the exact file: its outputs for each case."""
    correspondence: Correspondence | None
    """Of a rounded file: its graph and constants beside the exact file's."""
    drift: float
    """The largest difference of its outputs from Keras in float64, relative to the largest value of
    the output."""
    milliseconds: float | None
    """The time of one run on one thread."""
    errors: Mapping[str, float] = field(default_factory=dict)
    """Of a rounded file: the largest difference of each output, as a share of its spread."""
    in_float: Mapping[str, int] = field(default_factory=dict)
    """Of an integer file: the operators that compute in float32, by kind."""


class PairProof:
    """A Keras model of a pair, against which files are held. Imports TensorFlow."""

    def __init__(self, pair: Pair, config: Any, model: Any, cases: Sequence[Case]) -> None:
        self.pair, self.config, self.model, self._cases = pair, config, model, cases
        self._fitted: dict[str, tuple[Fitted, ...]] = {}

    def fitted(self, inputs: SignatureSpec) -> tuple[Fitted, ...]:
        """Return the cases that fit a signature. Raises PortError where none does."""
        if inputs.name not in self._fitted:
            fitting = [(case, given) for case in self._cases if (given := inputs.fitted(case))]
            if not fitting:
                takes = ", ".join(f"{name} {shape}" for name, shape in inputs.shapes.items())
                what = f"no case fits its signature {printable(inputs.name)}: {printable(takes)}"
                raise PortError(type(self.pair).__name__, what, "Add one to cases()")
            self._fitted[inputs.name] = tuple(
                Fitted(case, given, self._truth(case, given, inputs)) for case, given in fitting
            )
        return self._fitted[inputs.name]

    def exact(self, path: Path, inputs: SignatureSpec, names: tuple[str, str]) -> Proven:
        """Hold a signature of a float32 file against Keras."""
        reports, drift, milliseconds = [], 0.0, None
        for one in self.fitted(inputs):
            ran = run(path, inputs.name, one.inputs, names[1], timed=milliseconds is None)
            milliseconds = milliseconds or ran.milliseconds
            report = self._report(one, ran, inputs, names)
            reports.append(report)
            drift = max(drift, *(row.error / row.scale if row.scale else 0 for row in report.rows))
        return Proven(_graph(path, inputs.name), tuple(reports), None, drift, milliseconds)

    def measured(self, path: Path, inputs: SignatureSpec, named: str) -> Proven:
        """Measure how far the outputs of a signature are, of a file with rounded weights. Raises
        ProofError where they are not finite."""
        graph = _graph(path, inputs.name)
        drift, milliseconds = 0.0, None
        errors = dict.fromkeys(inputs.outputs, 0.0)
        for one in self.fitted(inputs):
            ran = run(path, inputs.name, one.inputs, named, timed=milliseconds is None)
            milliseconds = milliseconds or ran.milliseconds
            counting = Counting(self.pair.taps(self.config), one.case.counted)
            taps = self._taps(inputs, ran.outputs)
            for name, (tap, output) in zip(inputs.outputs, taps, strict=True):
                expected = one.truth.value(tap)
                off = largest_difference(tap, output, expected, counting)
                if not np.isfinite(off):
                    raise ProofError(f"{named}: {tap} has values that are not finite")
                counted = counting.select(tap, expected)
                drift = max(drift, off / (largest(counted) or 1.0))
                errors[name] = max(errors[name], off / (_spread(counted) or 1.0))
        in_float = _in_float(path, inputs.name) if graph.precision.integer else {}
        return Proven(graph, (), None, drift, milliseconds, errors, in_float)

    def _report(
        self, one: Fitted, ran: Ran, inputs: SignatureSpec, names: tuple[str, str]
    ) -> Report:
        outputs = dict(self._taps(inputs, ran.outputs))

        def record(to: Record) -> None:
            for tap, output in outputs.items():
                to(tap, output)

        report = judge(
            self.pair, one.case, names, one.truth, [*outputs], record, config=self.config
        )
        return replace(report, facts={"case": one.case.name, **report.facts})

    def _truth(self, case: Case, given: Arrays, inputs: SignatureSpec) -> Recorded:
        single = dict(self._taps(inputs, self._outputs(self.model, given, inputs, "float32")))
        model, _ = self._doubled
        if model is None:
            noise = {tap: UNMEASURED * largest(output) for tap, output in single.items()}
            return Recorded(single, noise)
        double = dict(self._taps(inputs, self._outputs(model, given, inputs, "float64")))
        counting = Counting(self.pair.taps(self.config), case.counted)
        noise = {
            tap: largest_difference(tap, single[tap], output, counting)
            for tap, output in double.items()
        }
        return Recorded(double, noise)

    def _outputs(self, model: Any, given: Arrays, inputs: SignatureSpec, dtype: str) -> Arrays:
        from signbart_port.parity.keras_run import cast

        outputs = self.pair.call_keras(model, cast(given, dtype))
        if len(inputs.outputs) == 1:
            return {inputs.outputs[0]: np.asarray(self.pair.keras_output(outputs))}
        return {name: np.asarray(outputs[name]) for name in inputs.outputs}

    def _taps(self, inputs: SignatureSpec, outputs: Arrays) -> Iterator[tuple[str, Floats]]:
        """Yield the outputs by tap, their axes in PyTorch's order: the first is the model's."""
        layouts = self.pair.taps(self.config)
        for number, name in enumerate(inputs.outputs):
            tap = LOGITS if number == 0 else name
            yield tap, tap_of(layouts, tap).in_torch_order(outputs[name])

    @property
    def cautions(self) -> tuple[str, ...]:
        """What must be known of the proof, however quiet the program is."""
        _, why = self._doubled
        what = "compared with Keras in float32 alone: it cannot be built in"
        return (f"{what} float64 ({why})",) if why else ()

    @cached_property
    def _doubled(self) -> tuple[Any, str]:
        from signbart_port.parity.keras_pairs import doubled

        return doubled(self.model, {}, self.pair, self.config)


def _graph(path: Path, signature: str) -> SignatureGraph:
    """Return a signature of a file. Raises ProofError for one that needs more than LiteRT has."""
    with object_tree.opened(path) as tree:
        graph = described(tree, signature)
        kinds = [
            object_tree.kind_of(tree, op) for _, op in object_tree.operators_of(tree, signature)
        ]
    if wrong := [kind for kind in kinds if kind.startswith(_NOT_BUILTIN)]:
        raise ProofError(f"the converter left {first_of(wrong, 3)} in the graph")
    return graph


def _in_float(path: Path, signature: str) -> Mapping[str, int]:
    """Return the operators of a signature that compute in float32, loops' among them, by kind."""
    with object_tree.opened(path) as tree:
        return Counter(
            kind
            for graph, op in object_tree.operators_of(tree, signature)
            if graph.tensors[op.outputs[0]].type == schema.TensorType.FLOAT32
            and (kind := object_tree.kind_of(tree, op)) not in CONVERSIONS
        )


def _spread(values: Floats) -> float:
    """Return the spread of an output: over its examples, or of a single one, over its values."""
    return spread(values if len(values) > 1 else values.ravel())


def folded(path: Path, signatures: Sequence[str], weights: Mapping[str, NDArray[Any]]) -> list[str]:
    """Return the weights that are no constants of a float32 file, value for value: the converter
    has multiplied them into others, or cut them."""
    with object_tree.opened(path) as tree:
        stored = {
            _values(one.values)
            for signature in signatures
            for number in object_tree.graphs_of(tree, signature)
            for _, one in constants.of_graph(tree, tree.subgraphs[number])
        }
    return [path for path, weight in weights.items() if _values(weight) not in stored]


def _values(array: NDArray[Any]) -> bytes:
    """Return a digest of the numbers of an array, whatever their order: axes move."""
    return blake2b(np.sort(array, axis=None).tobytes()).digest()
