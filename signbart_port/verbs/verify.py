"""Compare any two model files on the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from signbart_port.data.model_inputs import Inputs
from signbart_port.model_files import in_memory, mappings
from signbart_port.model_files.checkpoint_model import CheckpointModel
from signbart_port.model_files.config_resolution import Options
from signbart_port.model_files.in_memory import ModelSource
from signbart_port.model_files.model_file import ModelFile, check_options_used, open_pair
from signbart_port.model_files.tflite_model import TFLiteModel
from signbart_port.pairs.signbart import SIGNBART, case_of
from signbart_port.parity import weights as weights_of
from signbart_port.parity.blame import Finder
from signbart_port.parity.compare import Truth
from signbart_port.parity.proof import Recorded, judge
from signbart_port.parity.report import Report, WeightComparison
from signbart_port.parity.taps import LOGITS
from signbart_port.parity.tolerances import rounded_to
from signbart_port.requirements import ROUNDED
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.system.stderr import silenced_stderr
from signbart_port.tflite.modes import Precision
from signbart_port.tflite_export import weight_proof
from signbart_port.tflite_export.graph_proof import GraphProof, with_graph
from signbart_port.untrusted.model_kind import ModelKind
from signbart_port.verbs import _node_data
from signbart_port.verbs._common_inputs import common_inputs, different_configs
from signbart_port.verbs._node_data import NodeDataFile
from signbart_port.verbs._sides import side_of

if TYPE_CHECKING:
    from signbart_port.data.model_interface import Interface


def verify(
    a: ModelSource,
    b: ModelSource,
    options: Options = Options(),
    *,
    mapping: str | Path | None = None,
    node_data: str | Path | None = None,
    force: bool = False,
    progress: ProgressCallback = no_progress,
) -> Report:
    """Run two models on the same seeded inputs and compare what they compute.

    The one nearer to PyTorch is the reference, or `a` where both are of a kind. Every module is
    compared where both show their modules, the logits always. Of a .tflite, every signature is
    compared; of two, those that both have. The report is that of the first wrong one, or of the
    longest.

    A PyTorch module and a Keras SignBart that are in memory are run where they are, in this
    process, if the module's weights have SignBART's names: then it is the code of both that is
    compared. Neither is changed. Otherwise it is the weights of a model in memory that are
    compared, and a note says so of a module.

    Args:
        a: A .pth, .safetensors, .h5, .keras or .tflite; a PyTorch module, a state dict or a Keras
            model.
        b: Another one, of the same kind or not.
        options: The config of a file that does not hold one: a config file or the name of a
            published one, heads, joints, layout. Default: the config of the other file.
        mapping: The names of a checkpoint's tensors, of both where two are compared: a mapping
            file, or a mapping that comes with this program by its name, such as "hf-bart".
            Default: SignBART's own names.
        node_data: Where to write the error of each operator of a .tflite with rounded numbers, as
            JSON that Model Explorer lays over the file's graphs.
        force: Whether to replace an existing `node_data`.
        progress: Called with the name of each step as it begins.

    Returns:
        The report; `passed` tells whether the two are equal.

    Raises:
        PortError: A file cannot be used, or the two cannot be compared.
    """
    overlay = None
    if node_data is not None:
        inputs = tuple(Path(one) for one in (a, b) if isinstance(one, str | Path))
        overlay = NodeDataFile(Path(node_data), force, inputs)
        overlay.check()
    elif (live := _live(a, b, options, mapping, progress)) is not None:
        return live
    with in_memory.files_of(a, b) as files:
        first, second = files.paths
        return files.report(_verify_files(first, second, options, mapping, overlay, progress))


def _live(
    a: ModelSource,
    b: ModelSource,
    options: Options,
    mapping: str | Path | None,
    progress: ProgressCallback,
) -> Report | None:
    """Compare a PyTorch module and a Keras SignBart in this process; None for any other two."""
    torch_model, keras_model = (a, b) if in_memory.is_torch_module(a) else (b, a)
    if not (in_memory.is_torch_module(torch_model) and in_memory.is_keras_model(keras_model)):
        return None
    from signbart_port.keras_model import SignBart

    if mapping is not None or not isinstance(keras_model, SignBart):
        return None
    from signbart_port.verbs._live import compare_live

    return compare_live(torch_model, keras_model, options, progress)


def _verify_files(
    a: Path,
    b: Path,
    options: Options,
    mapping: str | Path | None,
    overlay: NodeDataFile | None,
    progress: ProgressCallback,
) -> Report:
    progress("Reading both files")
    reference, candidate = open_pair(a, b, options, mappings.find(mapping))
    check_options_used((reference, candidate), options)
    if overlay is not None:
        overlay.check_models(reference, candidate)
    ours, theirs = reference.signatures(), candidate.signatures()
    pairs = _pairs(ours, theirs) or [(reference, candidate)]  # whose refusal says why there is none
    reports = [_compared(*pair, progress) for pair in pairs]
    report = next((one for one in reports if not one.passed), reports[0])
    equal = {one.frames for one in reports if one is not report and one.passed}
    alone = {one.frames for one in (*ours, *theirs) if one.frames} - {r.frames for r in reports}
    also = [
        f"{what} {', '.join(map(str, sorted(lengths, reverse=True)))} frames"
        for what, lengths in (
            ("equal too: the signatures for", equal),
            ("not compared, as one of the files alone has them: the signatures for", alone),
        )
        if lengths
    ]
    if overlay is not None:
        progress("Running every operator")
        found = [_node_data.measured(*pair, common_inputs(*pair)) for pair in pairs]
        also.append(overlay.write(found))
    return replace(report, notes=(*report.notes, *also))


def _pairs(
    ours: Sequence[ModelFile], theirs: Sequence[ModelFile]
) -> list[tuple[ModelFile, ModelFile]]:
    """Return the pairs of signatures that take clips of one length."""
    return [
        (one, other)
        for one in ours
        for other in theirs
        if one.frames == other.frames or None in (one.frames, other.frames)
    ]


def _compared(reference: ModelFile, candidate: ModelFile, progress: ProgressCallback) -> Report:
    """Compare two files, a .tflite by one of its signatures."""
    file_inputs = common_inputs(reference, candidate)
    inputs = file_inputs
    if reference.config is not None:
        inputs = candidate.interface.prepared(file_inputs, reference.config)
    precision = max(reference.precision, candidate.precision, key=list(Precision).index)
    with ExitStack() as stack:
        reference_side = side_of(reference, inputs, stack, truth=True)
        candidate_side = side_of(candidate, file_inputs, stack, truth=False)
        graph_proof = _graph_proof(reference, candidate)
        if graph_proof or ModelKind.KERAS in (reference.kind, candidate.kind):
            progress("Importing TensorFlow")
            stack.enter_context(silenced_stderr())
        progress("Comparing the weights")
        weights = _weights(reference, candidate)
        progress(f"Running {reference.path.name}")
        truth, taps = reference_side.truth()
        if candidate.config is None and reference.config is not None:
            truth, taps = _output_of(truth, candidate.interface), [LOGITS]
        progress(f"Comparing {candidate.path.name}")
        # Modules of other sizes cannot be fed what the reference's were.
        comparable = weights is not None and not weights.missing
        isolation = candidate_side.isolation(reference_side) if comparable else None
        explained = precision is Precision.FLOAT32 and not candidate.interface.probabilities
        report = judge(
            SIGNBART,
            case_of(inputs),
            (str(reference.path), str(candidate.path)),
            truth,
            taps,
            candidate_side.run,
            rounded_to(precision.spec.logit_tolerance),
            config=reference.config,
            isolation=isolation,
            in_float64=candidate_side.in_float64(),
            weights=weights,
            finder=_finder(reference, inputs) if explained else None,
        )
        if graph_proof:
            progress("Comparing the graph")
            report = with_graph(report, graph_proof().row(file_inputs, truth.noise[LOGITS]))
    if isinstance(reference, CheckpointModel):
        report = replace(report, placed=reference.placed())
    config_notes = [
        f"{model.path}: {note}" for model in (reference, candidate) for note in model.config_notes
    ]
    cautions = [f"{one.path}: {said}" for one in (reference, candidate) for said in one.cautions]
    cautions += [
        f"{one.path}: {said}"
        for one, side in ((reference, reference_side), (candidate, candidate_side))
        for said in side.notes
    ]
    cautions = [*different_configs(reference, candidate), *cautions]
    if report.undecided:
        cautions.append(report.not_judged())
    notes = (*config_notes, *_unproven(reference, precision), *cautions)
    return replace(report, notes=notes, cautions=tuple(cautions))


def _output_of(truth: Truth, interface: Interface) -> Truth:
    """Return what a .tflite must give where the model gives the logits in `truth`."""
    logits, noise = truth.value(LOGITS), truth.noise[LOGITS]
    if not interface.probabilities:
        return Recorded({LOGITS: logits}, {LOGITS: noise})
    # Softmax has a derivative of at most a quarter in one logit, and of as much in all the others.
    return Recorded({LOGITS: interface.output_of(logits)}, {LOGITS: noise / 2})


def _unproven(reference: ModelFile, precision: Precision) -> tuple[str, ...]:
    """Return notes on a comparison that proves little."""
    if reference.config is not None or precision is Precision.FLOAT32:
        return ()
    wide = f"{precision.spec.logit_tolerance:.1%}"
    return (
        f"two .tflite show logits alone, and rounded ones may be off by {wide} of their spread:"
        " hold each against its .h5 or .pth, which proves its weights and its graph",
    )


def _weights(reference: ModelFile, candidate: ModelFile) -> WeightComparison | None:
    """Compare every weight of two files that show them: bit for bit, or as a .tflite's type rounds
    it."""
    if reference.config is None or reference.plan is None:
        return None
    if isinstance(candidate, TFLiteModel):
        compared = weight_proof.compare(candidate.file, reference.config, reference.keras_tensors)
    else:
        compared = weights_of.compare(
            reference.plan, reference.torch_tensors, candidate.keras_tensors
        )
    if isinstance(reference, CheckpointModel):
        compared = replace(compared, rounded=weights_of.rounded(reference.checkpoint))
    return compared


def _graph_proof(reference: ModelFile, candidate: ModelFile) -> Callable[[], GraphProof] | None:
    """Return a way to prove what a file with rounded weights computes, beyond their rounding.

    None for other files, and where the reference shows no weights.
    """
    if reference.config is None or not isinstance(candidate, TFLiteModel):
        return None
    if candidate.precision is Precision.FLOAT32:
        return None
    ROUNDED.check()
    tensors = reference.keras_tensors
    return partial(GraphProof, candidate.file, reference.config, tensors, candidate.interface)


def _finder(reference: ModelFile, inputs: Inputs) -> Finder | None:
    """Return a search for the cause of a failure, if the reference shows its weights."""
    if reference.config is None:
        return None
    return SIGNBART.causes(reference.config, lambda: reference.reference_tensors, case_of(inputs))
