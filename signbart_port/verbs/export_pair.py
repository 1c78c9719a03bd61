"""The Keras model of any pair back to a PyTorch checkpoint, proven equal."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from signbart_port import transfer
from signbart_port.errors import PortError, ProofError, first_of
from signbart_port.model_files import wanted
from signbart_port.parity.pair import Pair, mapping_path
from signbart_port.parity.report import Report
from signbart_port.parity.workers import torch_filling
from signbart_port.parity.workers.torch_filling import FillingJob
from signbart_port.parity.workers.torch_shapes import TorchShapes
from signbart_port.system import atomic_output, processes
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.system.stderr import silenced_stderr
from signbart_port.system.warm_workers import lent
from signbart_port.system.worker import Limits, WorkerFailed
from signbart_port.transfer import Direction, Shapes
from signbart_port.untrusted import model_kind
from signbart_port.untrusted.model_kind import ModelKind
from signbart_port.verbs._pair_keras import PairKeras, open_keras
from signbart_port.verbs._pair_models import PairCheckpoint
from signbart_port.verbs._pair_process import call_with_pair

_SECONDS = 600


@dataclass(frozen=True, repr=False)
class PairExported:
    """The result of `export_pair`."""

    out: Path
    source: Path
    pair: str
    """The pair's file and class, or its name."""
    tensors: int
    """The number of tensors that came from the Keras model."""
    left: tuple[str, ...]
    """The tensors that the mapping leaves behind: they are as a new PyTorch model has them."""
    report: Report
    """The proof."""
    cautions: tuple[str, ...] = ()
    """What must be known of the file, however quiet the program is."""

    def __repr__(self) -> str:
        return f"<PairExported {self.source} to {self.out}: {self.report.verdict()}>"


def export_pair(
    path: str | Path,
    pair: str | Pair,
    out: str | Path | None = None,
    *,
    config: str | Path | None = None,
    force: bool = False,
    progress: ProgressCallback = no_progress,
) -> PairExported:
    """Carry the weights of a pair's Keras model back into a PyTorch checkpoint: a state dict.

    Nothing is written unless the file, run by PyTorch, is proven equal to the Keras model.

    Args:
        path: A .keras, .weights.h5 or .h5 of the pair.
        pair: The pair: `FILE.py`, `FILE.py:NAME`, the name of an installed one, or an object.
        out: The .pth or .pt to write. Default: the model's name with .pth.
        config: A YAML or JSON file with the config of the models. Default: what the file has in its
            provenance.
        force: Whether to replace an existing `out`.
        progress: Called with the name of each step as it begins.

    Returns:
        Where the checkpoint was written, and the report of the proof.

    Raises:
        PortError: The input or the pair cannot be used, or `out` cannot be written.
        ProofError: The proof fails; nothing is written.
    """
    path = Path(path)
    model_kind.check_kind(path, ModelKind.KERAS)
    out = path.with_name(f"{model_kind.stem_of(path)}.pth") if out is None else Path(out)
    atomic_output.check_suffix(out, (".pth", ".pt"), "the checkpoint of a pair")
    atomic_output.check(out, force=force, inputs=(path,))
    given = {"path": path, "out": out, "config": config, "force": force}
    return call_with_pair(_export, pair, **given, progress=progress)


def _export(
    path: Path,
    pair: str | Pair,
    out: Path,
    config: str | Path | None,
    force: bool,
    progress: ProgressCallback,
) -> PairExported:
    with ExitStack() as stack:
        with processes.scratch_errors():
            folder = Path(stack.enter_context(processes.new_folder()))
        temp = stack.enter_context(atomic_output.replacing(out, force=force, inputs=(path,)))
        stack.enter_context(silenced_stderr())
        opened = open_keras(path, pair, config, None, folder, progress)
        return _Export(opened, out, progress).run(temp)


class _Export:
    """The part of `export_pair` that has the Keras model at hand."""

    def __init__(self, opened: PairKeras, out: Path, progress: ProgressCallback) -> None:
        self.opened, self.out, self.progress = opened, out, progress
        self.models = opened.models
        self.mapping = transfer.load(mapping_path(self.models.pair))
        self.mapping.check_settled()

    def run(self, temp: Path) -> PairExported:
        self.progress("Building the PyTorch model")
        tensors, left = self._tensors(self.models.built)
        self.progress("Writing the checkpoint")
        self._write(temp, tensors, left)
        report = self._prove(temp)
        return PairExported(
            out=self.out,
            source=self.opened.path,
            pair=self.models.loaded.name,
            tensors=len(tensors),
            left=left,
            report=report,
            cautions=(*self.opened.cautions, *report.cautions, *_constants(left)),
        )

    def _tensors(self, torch: TorchShapes) -> tuple[Mapping[str, NDArray[Any]], tuple[str, ...]]:
        """Return the tensors that the weights become, and the names of the others."""
        weights = self.opened.weights
        keras = {name: array.shape for name, array in weights.items()}
        sizes = transfer.sizes_from_shapes(self.mapping, torch.shapes, keras) | self.models.sizes()
        plan = transfer.plan(self.mapping, sizes, Shapes(torch.shapes, keras))
        direction = Direction.KERAS_TO_TORCH
        if findings := transfer.check(plan, direction, weights, torch.shapes):
            raise PortError(self.opened.path, transfer.summary(findings))
        tensors = dict(transfer.apply(plan, direction, weights))
        return tensors, tuple(name for name in torch.shapes if name not in tensors)

    def _write(
        self, temp: Path, tensors: Mapping[str, NDArray[Any]], left: tuple[str, ...]
    ) -> None:
        models = self.models
        job = FillingJob(
            *(temp.resolve(), models.loaded.place, dict(models.stated), dict(models.stored)), left
        )
        size = sum(array.nbytes for array in tensors.values())
        with lent(torch_filling.__name__, program=models.loaded.program) as worker:
            worker.send(job, Limits(_SECONDS, memory=4 * size), dict(tensors))
            try:
                worker.answer()
            except WorkerFailed as failed:
                raise failed.error(models.loaded.name, "PyTorch cannot write it") from None

    def _prove(self, temp: Path) -> Report:
        """Run the checkpoint in PyTorch, and hold the Keras model against it."""
        models, mapping = self.models, self.mapping
        checkpoint = wanted.read(temp, mapping)
        about = models.loaded, models.stated, models.stored, models.config, models.origin
        pair = PairCheckpoint(*about, mapping, checkpoint)
        plan = pair.plan(self.opened.model)
        found = pair.weights(plan, self.opened.weights)
        with pair.running(pair.cases[0]) as reference:
            self.progress("Running PyTorch")
            reference.wait()
            self.progress("Comparing every module")
            report = pair.report(str(self.opened.path), self.opened.model, plan, found, reference)
        report = replace(report, reference=self.out.name)
        if not report.passed:
            what = f"{self.opened.path}: the checkpoint made of it is NOT EQUAL, {report.verdict()}"
            raise ProofError(what, report)
        return report


def _constants(left: tuple[str, ...]) -> tuple[str, ...]:
    if not left:
        return ()
    what = "not from the Keras model, but as a new PyTorch model has them"
    counted = "1 tensor is" if len(left) == 1 else f"{len(left)} tensors are"
    return (f"{counted} {what}: {first_of(left, 4)}",)
