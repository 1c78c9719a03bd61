"""A checkpoint to the Keras model of any pair, with the proof that the two are equal."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from signbart_port import transfer
from signbart_port.errors import ProofError
from signbart_port.hub.address import named_for_outputs
from signbart_port.hub.fetch import Origin, origin_of, remember
from signbart_port.model_files import pair_file
from signbart_port.model_files.local_weights import local_weights
from signbart_port.parity.by_rules import Values
from signbart_port.parity.pair import Pair
from signbart_port.parity.reference import TorchRun
from signbart_port.parity.report import Report
from signbart_port.parity.tolerances import EPSILON, largest
from signbart_port.parity.workers import keras_reading
from signbart_port.parity.workers.keras_reading import ReadingJob, ReadingResult
from signbart_port.system import atomic_output, digest
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.system.stderr import silenced_stderr
from signbart_port.system.worker import Limits, Worker, WorkerFailed
from signbart_port.transfer import Direction, Plan
from signbart_port.verbs._pair_models import PairCheckpoint, lost, open_pair
from signbart_port.verbs._pair_process import call_with_pair
from signbart_port.verbs._provenance import NOT_PROVEN, provenance

SUFFIXES = (".keras", ".weights.h5", ".h5")
_SECONDS = 600
_AGAIN = 8 * EPSILON
"""How far two runs of the same model may be apart, relative to its largest output: threads may add
in another order."""


@dataclass(frozen=True, repr=False)
class PairConverted:
    """The result of `convert_pair`."""

    out: Path
    checkpoint: Path
    pair: str
    """The pair's file and class, or its name."""
    origin: str
    """Where the config comes from."""
    tensors: int
    """The number of Keras' variables that were filled."""
    parameters: int
    report: Report | None
    """The proof; None where it was switched off."""
    notes: tuple[str, ...] = ()
    """What was found in the checkpoint."""
    cautions: tuple[str, ...] = ()
    """What must be known of the file, however quiet the program is."""

    def __repr__(self) -> str:
        verdict = self.report.verdict() if self.report else NOT_PROVEN
        return f"<PairConverted {self.checkpoint} to {self.out}: {verdict}>"


def convert_pair(
    path: str | Path,
    pair: str | Pair,
    out: str | Path | None = None,
    *,
    config: str | Path | None = None,
    weights: str | None = None,
    verify: bool = True,
    force: bool = False,
    progress: ProgressCallback = no_progress,
) -> PairConverted:
    """Carry the weights of a PyTorch checkpoint into the Keras model of a pair.

    Nothing is written unless every output is proven equal to PyTorch's, and a fresh process that
    opens the written file finds the same weights and gets the same output. A pair's file is a
    program, which is run: give none that you have not read.

    Args:
        path: A .pth, .pt or .safetensors checkpoint, or a folder with one.
        pair: The pair: `FILE.py`, `FILE.py:NAME`, the name of an installed one, or an object.
        out: The .keras or .weights.h5 to write, or .h5 where Keras can open it again. Default: the
            checkpoint's name with .keras.
        config: A YAML or JSON file with the config of the models, for `Pair.read_config`. Default:
            what the checkpoint holds, or a config.json beside it.
        weights: The key that holds the weights of a checkpoint with several, "ema" for averaged
            ones.
        verify: Whether to prove the two equal. False skips the proof, and the file records that it
            is unproven.
        force: Whether to replace an existing `out`.
        progress: Called with the name of each step as it begins.

    Returns:
        Where the model was written, and the report of the proof.

    Raises:
        PortError: The input or the pair cannot be used, or `out` cannot be written.
        ProofError: The proof fails; nothing is written.
    """
    source, path = Path(path), local_weights(path, progress=progress)
    if out is None:
        out = named_for_outputs(source, path).with_suffix(".keras")
    out = Path(out)
    atomic_output.check_suffix(out, SUFFIXES, "the Keras model")
    atomic_output.check(out, force=force, inputs=(path,))
    given: dict[str, Any] = {"path": path, "out": out, "config": config, "weights": weights}
    given |= {"origin": origin_of(path), "verify": verify, "force": force}
    return call_with_pair(convert_here, pair, **given, progress=progress)


def convert_here(
    path: Path,
    pair: str | Pair,
    out: Path,
    config: str | Path | None,
    weights: str | None,
    origin: Origin | None,
    verify: bool,
    force: bool,
    progress: ProgressCallback,
) -> PairConverted:
    """Do what `convert_pair` does, in this process, to which the caller says where the file is
    from."""
    remember(path, origin)
    progress("Reading the checkpoint")
    opened = open_pair(path, pair, config, weights)
    with atomic_output.replacing(out, force=force, inputs=(path,)) as temp, silenced_stderr():
        return _Conversion(opened, out, progress).run(temp, verify)


class _Conversion:
    """The part of `convert_pair` that has Keras at hand."""

    def __init__(self, opened: PairCheckpoint, out: Path, progress: ProgressCallback) -> None:
        self.opened, self.out, self.progress = opened, out, progress

    def run(self, temp: Path, verify: bool) -> PairConverted:
        opened, checkpoint = self.opened, self.opened.checkpoint
        with opened.running(opened.cases[0]) if verify else nullcontext() as reference:
            self.progress("Importing TensorFlow")
            model = opened.keras_model()
            plan = opened.plan(model)
            self.progress("Transferring the weights")
            digests = filled(model, plan, checkpoint.tensors)
            report = self.prove(model, plan, reference) if reference else None
        lossy = lost(opened, plan)
        checkpoint.tensors.clear()  # the model has them; writing a large one takes room
        self.progress("Writing and reading back")
        versions = reference.result.versions if reference else {}
        _write(temp, model, self.provenance(report, lossy, versions))
        self.read_back(temp, model, digests, report is not None)
        return PairConverted(
            out=self.out,
            checkpoint=checkpoint.path,
            pair=opened.loaded.name,
            origin=opened.origin,
            tensors=len(digests),
            parameters=plan.parameters,
            report=report,
            notes=checkpoint.notes,
            cautions=report.cautions if report else (*checkpoint.cautions, *lossy),
        )

    def prove(self, model: Any, plan: Plan, reference: TorchRun) -> Report:
        self.progress("Running PyTorch")
        reference.wait()
        self.progress("Comparing every module")
        weights = self.opened.weights(plan, Values(model))
        report = self.opened.report(str(self.out), model, plan, weights, reference)
        if not report.passed:
            path = self.opened.checkpoint.path
            raise ProofError(f"{path}: NOT EQUAL, {report.verdict()}", report)
        return report

    def read_back(self, temp: Path, model: Any, digests: dict[str, str], with_output: bool) -> None:
        """Open the file in a fresh process: its weights must be those that were placed, bit for
        bit, and its output the one that was proven."""
        opened = self.opened
        job = ReadingJob(temp, opened.loaded.place, dict(opened.stated), dict(opened.stored))
        case = opened.cases[0] if with_output else None
        try:
            with Worker(keras_reading.__name__) as worker:
                worker.send(job, Limits(_SECONDS), dict(case.keras) if case else {})
                answer = worker.answer()
                read = answer.read(ReadingResult)
                output = answer.arrays["output"] if case else None
        except WorkerFailed as failed:
            what = f"a fresh process cannot open the {''.join(self.out.suffixes[-2:])} file"
            hint = "Give --out MODEL.weights.h5, or list its classes in the pair's custom_objects"
            raise failed.error(self.out, what, hint) from None
        if list(read.digests) != [
            digests.get(w.path, digest.of_tensor(w.numpy())) for w in model.weights
        ]:
            raise ProofError(f"{self.out}: a fresh process reads other weights than were written")
        if case is None:
            return
        proven = np.asarray(opened.pair.keras_output(opened.pair.call_keras(model, case.keras)))
        # The same operations in the same order on the same machine: what differs is another model.
        if output is None or not np.allclose(proven, output, rtol=0, atol=_AGAIN * largest(proven)):
            raise ProofError(f"{self.out}: a fresh process that opens it computes something else")

    def provenance(
        self, report: Report | None, lossy: tuple[str, ...], versions: Mapping[str, str]
    ) -> dict[str, Any]:
        opened, checkpoint = self.opened, self.opened.checkpoint
        models = {
            "pair": {"name": opened.loaded.name, "sha256": opened.loaded.sha256},
            "config": {"stated": dict(opened.stated), "stored": dict(opened.stored)},
            "config_origin": opened.origin,
            "mapping": {"family": opened.mapping.family, "sha256": opened.mapping.sha256},
            "lost": list(lossy),
        }
        return provenance(checkpoint, checkpoint.notes, models, report, versions)


def filled(model: Any, plan: Plan, tensors: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """Move every tensor into the model; return the digest of each, by path."""
    variables = {weight.path: weight for weight in model.weights}
    digests = {}
    for name, tensor in transfer.apply(plan, Direction.TORCH_TO_KERAS, tensors):
        digests[name] = digest.of_tensor(tensor)
        variables[name].assign(tensor)
    return digests


def _write(path: Path, model: Any, provenance: dict[str, Any]) -> None:
    text = json.dumps(provenance)
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        model.save(path)
    if path.suffix == ".keras":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(pair_file.MEMBER, text)
    else:
        with h5py.File(path, "a") as file:
            file.attrs[pair_file.NAME] = text
