"""A checkpoint and a .tflite of the same pair, compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from signbart_port.errors import PortError, ProofError, printable
from signbart_port.parity.pair import Pair
from signbart_port.parity.report import Report, WeightComparison
from signbart_port.parity.weights import EXACT
from signbart_port.system.progress import ProgressCallback
from signbart_port.system.stderr import silenced_stderr
from signbart_port.tflite import object_tree
from signbart_port.tflite.modes import Precision, Quantization
from signbart_port.tflite.signature_graph import described
from signbart_port.tflite_export.correspondence import Correspondence, correspond
from signbart_port.tflite_export.pair_conversion import SignatureSpec
from signbart_port.tflite_export.pair_proof import Proven
from signbart_port.verbs._pair_tflite_files import PairTFLiteFiles, PairTFLiteRequest


def verify_tflite(
    path: str | Path,
    file: Path,
    pair: str | Pair,
    config: str | Path | None,
    weights: str | None,
    progress: ProgressCallback,
) -> Report:
    """Compare a checkpoint with a .tflite of its pair, see `verify_pair`.

    The Keras model and its float32 file are made anew of the checkpoint, and proven; then the given
    file is held against that one. Raises PortError for a file that cannot be: one with rounded
    weights and another graph.
    """
    with PairTFLiteFiles(pair, PairTFLiteRequest(Path(path), config, weights)) as made:
        made.progress = progress
        with silenced_stderr():
            exact = made.reports  # which proves the file that the given one is held against
            progress("Comparing the file")
            found = [_held(made, file, one) for one in made.signatures]
        reports = [report for one in found for report in one.reports] or [*exact]
        report = next((one for one in reports if not one.passed), reports[0])
        compared = [one.correspondence for one in found if one.correspondence]
        notes = [_drifted(one) for one in found if not one.reports]
        return replace(
            report,
            reference=str(made.opened.path),
            candidate=str(file),
            weights=_weights(compared),
            notes=(*made.opened.notes, *notes),
            cautions=made.opened.cautions,
        )


def _held(made: PairTFLiteFiles, file: Path, inputs: SignatureSpec) -> Proven:
    """Hold a signature of a file against the exact one: its outputs where they are float32, its
    graph and constants where it is the same graph."""
    precision = _precision(file, inputs)
    exact = made.files[Quantization.NONE].read_bytes()
    ranges = made.integers.ranges if precision.integer else None
    try:
        found = correspond(exact, file.read_bytes(), inputs.name, precision, ranges)
    except Exception as error:  # whatever damaged bytes provoke
        raise PortError(file, f"is damaged ({type(error).__name__})", "Make it again") from None
    if precision is not Precision.FLOAT32:
        if found.parted is not None:
            what = f"its rounded weights cannot be compared: {found.sentence()}"
            raise PortError(file, what)
        return replace(made.proof.measured(file, inputs, str(file)), correspondence=found)
    try:
        proven = made.proof.exact(file, inputs, (str(made.opened.path), str(file)))
    except ProofError as error:
        raise PortError(file, printable(error)) from None
    return proven if found.parted is not None else replace(proven, correspondence=found)


def _precision(file: Path, inputs: SignatureSpec) -> Precision:
    with object_tree.opened(file) as tree:
        if inputs.name not in object_tree.signatures(tree):
            raise PortError(file, f"has no signature {printable(inputs.name)}, as the pair has it")
        return described(tree, inputs.name).precision


def _drifted(one: Proven) -> str:
    """Return how far the outputs of a file with rounded weights are."""
    errors = ", ".join(f"{name} by {error:.2%} of its spread" for name, error in one.errors.items())
    return (
        f"{one.graph.signature}: the outputs are those of the float32 file of this graph; with the"
        f" weights rounded ({one.graph.precision.value}) they are off by {one.drift:.2%} of the"
        f" largest value: {errors}"
    )


def _weights(found: list[Correspondence]) -> WeightComparison | None:
    """Sum up what was found of the constants; None where no graph was the same."""
    if not found:
        return None
    rounded = sum(one.rounded for one in found)
    return WeightComparison(
        rule=f"{EXACT}, but for {rounded} that are rounded, each to the nearest"
        if rounded
        else EXACT,
        tensors=sum(one.constants for one in found),
        values=sum(one.values for one in found),
        differing=tuple(wrong for one in found for wrong in one.wrong),
        missing=tuple(f"the right range ({said})" for one in found for said in one.out_of_range),
    )
