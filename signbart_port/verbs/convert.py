"""model.pth to model.h5, with the proof that the two are equal."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port import transfer
from signbart_port.data.model_inputs import Inputs
from signbart_port.errors import PortError, ProofError
from signbart_port.hub.address import named_for_outputs
from signbart_port.model_files import h5, in_memory, mappings
from signbart_port.model_files.checkpoint_model import CheckpointModel, open_checkpoint
from signbart_port.model_files.config_resolution import Options
from signbart_port.model_files.in_memory import ModelSource
from signbart_port.model_files.local_weights import local_weights
from signbart_port.pairs import signbart_cases as parity_inputs
from signbart_port.pairs.signbart import SIGNBART, case_of
from signbart_port.pairs.signbart_torch_run import torch_run
from signbart_port.parity.compare import compare
from signbart_port.parity.counting import Counting
from signbart_port.parity.proof import judge
from signbart_port.parity.reference import TorchRun
from signbart_port.parity.report import Report, WeightComparison
from signbart_port.parity.taps import LOGITS, Floats
from signbart_port.parity.weights import EXACT, rounded
from signbart_port.system import atomic_output, digest
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.system.stderr import silenced_stderr
from signbart_port.transfer import Direction
from signbart_port.untrusted import model_kind
from signbart_port.untrusted.weights_file import INDEX
from signbart_port.verbs._provenance import NOT_PROVEN, provenance


@dataclass(frozen=True, repr=False)
class Converted:
    """The result of `convert`.

    `report` is None where verification was switched off.
    """

    out: Path
    source: CheckpointModel
    parameters: int
    report: Report | None
    cautions: tuple[str, ...] = ()
    """What must be known of the file, however quiet the program is."""

    def __repr__(self) -> str:
        verdict = self.report.verdict() if self.report else NOT_PROVEN
        return f"<Converted {self.source.path} to {self.out}: {verdict}>"

    def _repr_html_(self) -> str:
        from signbart_port.report.notebook import fragment

        said = "" if self.report else f": {NOT_PROVEN}"
        heading = f"{self.source.path} to {self.out}{said}"
        return fragment(*filter(None, [self.report]), heading=heading)


def convert(
    path: ModelSource,
    out: str | Path | None = None,
    options: Options = Options(),
    *,
    mapping: str | Path | None = None,
    verify: bool = True,
    force: bool = False,
    progress: ProgressCallback = no_progress,
) -> Converted:
    """Carry the weights of a PyTorch checkpoint into a Keras SignBART.

    Nothing is written unless every module's output is proven equal to PyTorch's, and the written
    file, opened again, still gives the proven logits.

    Args:
        path: A .pth, .pt or .safetensors checkpoint, a folder with one, or the address of one on a
            hub, `hf://OWNER/NAME[/FILE][@REVISION]`; or a PyTorch module or a state dict, whose
            weights are converted as those of a checkpoint.
        out: The .h5 to write. Default: the checkpoint's name with .h5; of an address, in the
            current folder.
        options: The config of a checkpoint that does not hold one: a config file or the name of a
            published one, heads, joints, layout. Default: what the files themselves tell.
        mapping: The names of the checkpoint's tensors: a mapping file, or a mapping that comes with
            this program by its name, such as "hf-bart". Default: SignBART's own names.
        verify: Whether to prove the two equal. False skips the proof, and the file records that it
            is unproven.
        force: Whether to replace an existing `out`.
        progress: Called with the name of each step as it begins.

    Returns:
        Where the model was written, its source, and the report of the proof.

    Raises:
        PortError: The input cannot be used, or `out` cannot be written.
        ProofError: The proof fails; nothing is written.
    """
    in_memory.check_torch(path)
    in_memory.check_out(path, out)
    with in_memory.files_of(path) as files:
        done = _convert_file(files.paths[0], out, options, mapping, verify, force, progress)
        if not files.names:
            return done
        checkpoint = replace(done.source.checkpoint, path=Path(*files.names.values()))
        return replace(
            done,
            source=replace(done.source, checkpoint=checkpoint),
            report=None if done.report is None else files.report(done.report),
            cautions=tuple(map(files.named, (*done.cautions, *files.notes))),
        )


def _convert_file(
    path: Path,
    out: str | Path | None,
    options: Options,
    mapping: str | Path | None,
    verify: bool,
    force: bool,
    progress: ProgressCallback,
) -> Converted:
    given, path = path, local_weights(path, progress=progress)
    model_kind.check_kind(path, model_kind.ModelKind.CHECKPOINT)
    named = named_for_outputs(given, path)
    out = named.with_name(default_name(named)) if out is None else Path(out)
    if out.suffix != ".h5" or out.name.endswith(".weights.h5"):
        raise PortError(out, "the Keras model is written as .h5", "Name it like model.h5")
    atomic_output.check(out, force=force, inputs=(path,))
    progress("Reading the checkpoint")
    rules = mappings.find(mapping)

    def reopen() -> CheckpointModel:
        return open_checkpoint(path, options, rules)

    source = reopen()
    inputs = parity_inputs.make_for(source.resolved.config)
    with (
        torch_run(source, inputs, truth=True) if verify else nullcontext() as reference,
        atomic_output.replacing(out, force=force, inputs=(path,)) as temp,
    ):
        conversion = _Conversion(source, reopen, inputs, reference, progress)
        del source  # so that the conversion can let the tensors go when they are placed
        progress("Importing TensorFlow")
        with silenced_stderr():
            return conversion.run(temp, out)


def default_name(path: Path) -> str:
    """Return the name of the .h5 of a checkpoint, where none is given."""
    return Path(path.name.removesuffix(INDEX)).with_suffix(".h5").name


class _Conversion:
    """The part of `convert` that has Keras at hand."""

    def __init__(
        self,
        source: CheckpointModel,
        reopen: Callable[[], CheckpointModel],
        inputs: Inputs,
        reference: TorchRun | None,
        progress: ProgressCallback,
    ) -> None:
        self.source, self.reopen, self.inputs = source, reopen, inputs
        self.placed = source.placed() if reference else ()
        self.rounded = rounded(source.checkpoint)
        self.reference, self.progress = reference, progress

    def run(self, temp: Path, out: Path) -> Converted:
        from signbart_port.model_files.keras_h5 import write

        self.progress("Transferring the weights")
        model = SIGNBART.keras_model(self.source.resolved.config)
        digests = self.transfer(model)
        report = self.prove(model, out) if self.reference else None
        parameters = model.count_params()

        self.progress("Writing and reading back")
        provenance = self.provenance(report)
        write(temp, model, lambda file: h5.annotate(file, provenance, digests))
        # Frees the model before the file is read back, so that two copies are never held.
        del model
        gc.collect()
        self.read_back(temp)
        if report:
            report = replace(report, weights=self.exact())
        cautions = (*self.source.cautions, *(self.reference.notes if self.reference else ()))
        if report and report.undecided:
            cautions = (*cautions, f"{out}: {report.verdict()}")
        return Converted(out, self.source, parameters, report, cautions)

    def transfer(self, model: Any) -> dict[str, str]:
        """Move every tensor into the model, and let the checkpoint's go.

        Returns the digest of each, by variable path: what the written file must hold.
        """
        from signbart_port.keras_model.weights import assign, shapes

        plan, tensors = self.source.plan, self.source.checkpoint.tensors
        findings = transfer.check(plan, Direction.TORCH_TO_KERAS, tensors, shapes(model))
        if findings:
            raise PortError(plan.mapping.path, transfer.summary(findings))
        digests = {}

        def placed() -> Iterator[tuple[str, NDArray[np.generic]]]:
            for path, tensor in transfer.apply(plan, Direction.TORCH_TO_KERAS, tensors):
                digests[path] = digest.of_tensor(tensor)
                yield path, tensor

        assign(model, placed())
        self.source = self.source.without_tensors()
        return digests

    def prove(self, model: Any, out: Path) -> Report:
        from signbart_port.parity import keras_run

        assert self.reference is not None
        self.progress("Running PyTorch")
        taps = self.reference.record.taps
        self.progress("Comparing every module")
        path, config = self.source.checkpoint.path, self.source.resolved.config
        case, layouts = case_of(self.inputs), SIGNBART.taps(config)
        report = judge(
            SIGNBART,
            case,
            (str(path), str(out)),
            self.reference,
            taps,
            lambda record: keras_run.run(SIGNBART, model, case.keras, layouts, record),
            config=config,
            isolation=keras_run.isolation(model, layouts, self.reference),
            in_float64=lambda record: keras_run.run_in_float64(
                SIGNBART, config, model, case.keras, record
            ),
            finder=SIGNBART.causes(config, lambda: self.reopen().reference_tensors, case),
        )
        resolved = self.source.resolved
        notes = (
            *self.source.checkpoint.notes,
            *self.reference.notes,
            f"config: {resolved.origin}",
            *resolved.notes,
        )
        report = replace(report, placed=self.placed, notes=notes)
        if not report.passed:
            raise ProofError(f"{path}: NOT EQUAL, {report.verdict()}", report)
        return report

    def read_back(self, temp: Path) -> None:
        """Check the file as it is on disk: every weight bit for bit, and the logits once more."""
        try:
            written = h5.check(temp)  # compares every weight with its digest
        except PortError as error:
            raise ProofError(f"the written file {error.what}") from None
        if missing := {t.keras for t in self.source.plan.transfers} - written:
            raise ProofError(f"the written file lacks {', '.join(sorted(missing))}")
        if self.reference is None:
            return
        logits = _logits(temp, self.inputs)
        counting = Counting.of(SIGNBART, self.source.resolved.config, case_of(self.inputs))
        row = compare(LOGITS, logits, self.reference, counting)
        if not row.passed:
            raise ProofError(
                f"the logits of the written file differ by {row.error:.2e}, limit {row.limit:.2e}"
            )

    def exact(self) -> WeightComparison:
        """Return what `read_back` has shown: every weight of the file has the digest of its
        source."""
        plan = self.source.plan
        return WeightComparison(EXACT, len(plan.transfers), plan.parameters, rounded=self.rounded)

    def provenance(self, report: Report | None) -> dict[str, Any]:
        checkpoint, mapping = self.source.checkpoint, self.source.plan.mapping
        resolved, reference = self.source.resolved, self.reference
        models = {
            "config": resolved.config.model_dump(),
            "config_origin": resolved.origin,
            "config_notes": list(resolved.notes),
            "mapping": {"family": mapping.family, "sha256": mapping.sha256},
        }
        notes = (*checkpoint.notes, *(reference.notes if reference else ()))
        versions = reference.result.versions if reference else {}
        return provenance(checkpoint, notes, models, report, versions)


def _logits(path: Path, inputs: Inputs) -> Floats:
    """Return the logits of a written model.h5, opened the way its user will."""
    from signbart_port.model_files.keras_h5 import open_as_user

    model = open_as_user(path)
    return np.asarray(model(inputs.keypoints, inputs.attention_mask, training=False))
