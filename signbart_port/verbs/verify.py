"""Compare any two model files on the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from signbart_port.data.model_inputs import Inputs
from signbart_port.data.preprocessing import SKELETON
from signbart_port.errors import PortError
from signbart_port.model_files import h5, mappings
from signbart_port.model_files.config_resolution import Options
from signbart_port.model_files.model_file import Opened, open_pair
from signbart_port.pairs import signbart_cases as parity_inputs
from signbart_port.pairs.signbart_diagnosis.search import Search
from signbart_port.parity import weights as weights_of
from signbart_port.parity.compare import LOGITS, Floats, Truth, largest_difference
from signbart_port.parity.proof import Isolation, Record, Recorded, judge
from signbart_port.parity.reference import TorchRun
from signbart_port.parity.report import Report, Weights
from signbart_port.parity.tolerances import ROUNDED_WEIGHTS, UNMEASURED
from signbart_port.system.stderr import quiet
from signbart_port.tflite.modes import Precision

if TYPE_CHECKING:
    from signbart_port.data.model_interface import Interface
    from signbart_port.tflite.model_file import TFLiteFile


def verify(
    a: str | Path,
    b: str | Path,
    options: Options = Options(),
    *,
    mapping: str | Path | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Report:
    """Run two models, each a .pth, .safetensors, .h5 or .tflite, on the same seeded inputs.

    The one nearer to PyTorch is the reference, or `a` of two of a kind. Every module is compared
    where both show their modules, the logits always; of a .tflite every signature, of two those
    that both have, and the report is that of the first wrong one, or of the longest. `options` say
    the config of a checkpoint that has none; without them it is taken from the other file.
    `mapping` is whose names a checkpoint has, a mapping file or a name, of both where two are
    compared; SignBART's without one. Raises PortError for files that cannot be compared.
    """
    progress("Reading both files")
    reference, candidate = open_pair(a, b, options, mappings.find(mapping))
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
    return replace(report, notes=(*report.notes, *also))


def _pairs(ours: Sequence[Opened], theirs: Sequence[Opened]) -> list[tuple[Opened, Opened]]:
    """The signatures of two files that take clips of one length."""
    return [
        (one, other)
        for one in ours
        for other in theirs
        if one.frames == other.frames or None in (one.frames, other.frames)
    ]


def _compared(reference: Opened, candidate: Opened, progress: Callable[[str], None]) -> Report:
    """The report on two files, of a .tflite on one of its signatures."""
    fed = _common_inputs(reference, candidate)
    inputs = fed
    if reference.config is not None:
        inputs = candidate.interface.prepared(fed, reference.config)
    with ExitStack() as stack:
        torch_reference, torch_candidate = (
            stack.enter_context(TorchRun(model.source, inputs, truth=model is reference))
            if model.source
            else None
            for model in (reference, candidate)
        )
        graph = reference.config is not None and candidate.precision is not Precision.FLOAT32
        if reference.keras or candidate.keras or graph:
            progress("Importing TensorFlow")
            stack.enter_context(quiet())
        progress("Comparing the weights")
        weights = _weights(reference, candidate)
        progress(f"Running {reference.path.name}")
        truth, taps = _truth(reference, torch_reference, inputs)
        if candidate.tflite is not None and reference.tflite is None:
            truth, taps = _given(truth, candidate.interface), [LOGITS]
        progress(f"Comparing {candidate.path.name}")
        precision = max(reference.precision, candidate.precision, key=list(Precision).index)
        run, isolation = _runs(candidate, torch_candidate, fed, torch_reference, weights)
        report = judge(
            (str(reference.path), str(candidate.path)),
            truth,
            taps,
            inputs,
            run,
            precision,
            isolation=isolation,
            weights=weights,
            finder=_search(reference, inputs, isolation)
            if precision is Precision.FLOAT32 and not candidate.interface.probabilities
            else None,
        )
        if graph:
            progress("Comparing the graph")
            report = _with_graph(report, reference, candidate, truth, fed)
    return replace(
        report,
        placed=reference.source.placed() if reference.source else (),
        notes=(*reference.notes(), *candidate.notes(), *_unproven(reference, precision)),
    )


def _given(truth: Truth, interface: Interface) -> Truth:
    """What a .tflite must give where the model gives these logits."""
    logits, noise = truth.value(LOGITS), truth.noise[LOGITS]
    if not interface.probabilities:
        return Recorded({LOGITS: logits}, {LOGITS: noise})
    # Softmax has a derivative of at most a quarter in one logit, and of as much in all the others.
    return Recorded({LOGITS: interface.given(logits)}, {LOGITS: noise / 2})


def _unproven(reference: Opened, precision: Precision) -> tuple[str, ...]:
    """What a person must know of a comparison that can tell little."""
    if reference.tflite is None or precision is Precision.FLOAT32:
        return ()
    wide = f"{ROUNDED_WEIGHTS[precision]:.1%}"
    return (
        f"two .tflite show logits alone, and rounded ones may be off by {wide} of their spread:"
        " hold each against its .h5 or .pth, which proves its weights and its graph",
    )


def _common_inputs(reference: Opened, candidate: Opened) -> Inputs:
    """Inputs that both models take.

    Raises PortError where there are none.
    """
    if reference.labels != candidate.labels:
        raise PortError(
            candidate.path,
            f"has {candidate.labels} labels, {reference.path.name} has {reference.labels}",
        )
    ours, theirs = reference.interface, candidate.interface
    if reference.tflite and replace(ours, keypoints=theirs.keypoints) != theirs:
        raise PortError(
            candidate.path,
            f"takes or gives something else than {reference.path.name}",
            "Hold each against its .h5 or .pth",
        )
    if reference.config is not None and theirs.preprocessing:
        needed = max(SKELETON, 1 + max(reference.config.joint_idx))
        if theirs.keypoints < needed:
            raise PortError(
                candidate.path,
                f"reads skeletons of {theirs.keypoints} joints, {reference.path.name} of {needed}",
            )
    elif ours.keypoints != theirs.keypoints:
        raise PortError(
            candidate.path,
            f"has {theirs.keypoints} joints, {reference.path.name} has {ours.keypoints}",
        )
    static = [model.frames for model in (reference, candidate) if model.frames]
    if len(set(static)) > 1:
        raise PortError(
            candidate.path, f"takes {static[1]} frames, {reference.path.name} {static[0]}"
        )
    longest = [m.config.max_position_embeddings for m in (reference, candidate) if m.config]
    frames = static[0] if static else min([parity_inputs.FRAMES, *longest])
    if longest and frames > min(longest):
        raise PortError(candidate.path, f"takes {frames} frames, {reference.path.name} fewer")
    inputs = parity_inputs.make(theirs.keypoints, frames)
    integer = any(model.precision.integer for model in (reference, candidate))
    return inputs.beginning_real() if integer else inputs


def _weights(reference: Opened, candidate: Opened) -> Weights | None:
    """Every weight of two files that show them: bit for bit, or as a .tflite's type rounds it."""
    plan, got = reference.plan, candidate.keras_tensors
    if candidate.tflite is not None:
        if reference.config is None or reference.keras_tensors is None:
            return None
        from signbart_port.tflite_export import weight_proof as tflite_weights

        tensors = reference.keras_tensors
        compared = tflite_weights.compare(candidate.tflite, reference.config, tensors)
    elif plan is None or got is None:
        return None
    else:
        compared = weights_of.compare(plan, reference.torch_tensors, got)
    rounded = weights_of.rounded(reference.source.checkpoint) if reference.source else ()
    return replace(compared, rounded=rounded)


def _truth(
    model: Opened, torch_run: TorchRun | None, inputs: Inputs
) -> tuple[Truth, Sequence[str]]:
    """The reference's outputs, and the taps that it has."""
    if torch_run is not None:
        return torch_run, torch_run.result["taps"]
    if model.keras is not None:
        return _keras_truth(model.keras, inputs)
    assert model.tflite is not None
    logits = _tflite_outputs(model.tflite, inputs)
    noise = UNMEASURED * float(abs(logits).max(initial=0.0))
    return Recorded({LOGITS: logits}, {LOGITS: noise}), [LOGITS]


def _keras_truth(file: h5.KerasFile, inputs: Inputs) -> tuple[Recorded, Sequence[str]]:
    from signbart_port.model_files.keras_h5 import build
    from signbart_port.parity import keras_run

    float64: dict[str, Floats] = {}
    noise: dict[str, float] = {}
    keras_run.run(build(file, "float64"), inputs, float64.__setitem__)

    def measure(tap: str, output: Floats) -> None:
        noise[tap] = largest_difference(output, float64[tap], inputs.classified)

    keras_run.run(build(file), inputs, measure)
    return Recorded(float64, noise), list(float64)


def _runs(
    model: Opened,
    torch_run: TorchRun | None,
    inputs: Inputs,
    reference: TorchRun | None,
    weights: Weights | None,
) -> tuple[Callable[[Record], object], Isolation | None]:
    """How to run a candidate, and where both sides show their modules, these alone."""
    if torch_run is not None:
        return lambda record: _replay(torch_run, record), None
    if model.tflite is not None:
        file = model.tflite
        return lambda record: record(LOGITS, _tflite_outputs(file, inputs)), None
    assert model.keras is not None
    from signbart_port.model_files.keras_h5 import build
    from signbart_port.parity import keras_run

    keras = build(model.keras)
    # Modules of other sizes cannot be fed what the reference's were.
    comparable = reference is not None and weights is not None and not weights.missing
    isolation = keras_run.isolation(keras, reference) if reference and comparable else None
    return lambda record: keras_run.run(keras, inputs, record), isolation


def _with_graph(
    report: Report, reference: Opened, candidate: Opened, truth: Truth, inputs: Inputs
) -> Report:
    """What a file with rounded weights computes, beyond their rounding."""
    from signbart_port.tflite_export.graph_proof import GraphProof, with_graph

    assert candidate.tflite and reference.config and reference.keras_tensors
    proof = GraphProof(
        candidate.tflite, reference.config, reference.keras_tensors, candidate.interface
    )
    return with_graph(report, proof.row(inputs, truth.noise[LOGITS]))


def _tflite_outputs(file: TFLiteFile, inputs: Inputs) -> Floats:
    from signbart_port.inference.workers.tflite_signature import run

    return run(file, inputs).outputs


def _replay(torch_run: TorchRun, record: Record) -> None:
    for tap, output in torch_run.outputs():
        record(tap, output)


def _search(reference: Opened, inputs: Inputs, isolation: Isolation | None) -> Search | None:
    """How to find the cause of a failure, where the reference shows its weights."""
    if reference.config is None:
        return None
    calls = isolation.calls if isolation else ()
    return Search(reference.config, reference.tensors_of_reference, inputs, calls)
