"""A checkpoint and the pair that it belongs to, opened for a verb."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port import transfer
from signbart_port.checkpoint import Checkpoint
from signbart_port.checkpoint import read as read_checkpoint
from signbart_port.checkpoint.candidates import Shape
from signbart_port.config.files import read_file
from signbart_port.errors import PortError, printable
from signbart_port.model_files.local_weights import local_weights
from signbart_port.model_files.wanted import NamesWanted, rules_of
from signbart_port.parity import config_keys
from signbart_port.parity import weights as weights_of
from signbart_port.parity.by_rules import (
    KerasCandidate,
    compare_weights,
    naming_hint,
    of_cases,
    tensors_within,
    variables_of,
)
from signbart_port.parity.float64 import Origin
from signbart_port.parity.load_pair import LoadedPair, load_pair
from signbart_port.parity.pair import Case, Pair, mapping_path
from signbart_port.parity.reference import TorchRun, running
from signbart_port.parity.report import Report, WeightComparison
from signbart_port.parity.workers import keras_reading, torch_shapes
from signbart_port.parity.workers.keras_reading import ReadingJob
from signbart_port.parity.workers.torch_run import TorchJob
from signbart_port.parity.workers.torch_shapes import ShapesJob, TorchShapes
from signbart_port.system import digest
from signbart_port.system.warm_workers import lent
from signbart_port.system.worker import Limits, Worker, WorkerFailed
from signbart_port.transfer import Direction, Plan, Shapes, WeightMapping
from signbart_port.transfer.losses import losses, sentences

_HUGGING_FACE = "config.json"
_SEED = 0
_SECONDS = 600
_LONGEST = 1000  # characters of a pair's findings in a config


@dataclass(frozen=True)
class PairModels:
    """The two models of a pair, of one config."""

    loaded: LoadedPair
    stated: Mapping[str, Any]
    """What the user's config says."""
    stored: Mapping[str, Any]
    """What the checkpoint's says, or the one beside it."""
    config: Any
    """What the pair makes of both."""
    origin: str
    """Where the config comes from, for a person."""

    @property
    def pair(self) -> Pair:
        return self.loaded.pair

    @cached_property
    def cases(self) -> Sequence[Case]:
        """The inputs that both models run."""
        with self.named("cases"):
            cases = tuple(self.pair.cases(self.config, _SEED))
        if not cases:
            raise PortError(self.loaded.name, "has no case to compare the two models on")
        return cases

    def sizes(self) -> dict[str, int]:
        """Return the sizes that the pair tells."""
        with self.named("sizes"):
            return dict(self.pair.sizes(self.config) or {})

    def keras_model(self) -> Any:
        """Build the Keras model, in float32."""
        from signbart_port.parity import keras_run

        with self.named("keras_model"):
            model = keras_run.in_precision("float32", lambda: self.pair.keras_model(self.config))
        for weight in model.weights:
            if np.issubdtype(weight.dtype, np.floating) and weight.dtype != "float32":
                raise PortError(self.loaded.name, f"{weight.path} is {weight.dtype}, not float32")
        variables_of(model, self.loaded.name)
        return model

    def fill(self, model: Any, file: Path) -> Mapping[str, NDArray[Any]]:
        """Give the pair's Keras model the weights of a Keras file; return them by path.

        A process of its own reads them: nothing else in the file is read.
        """
        job = ReadingJob(
            file.resolve(), self.loaded.place, dict(self.stated), dict(self.stored), weights=True
        )
        try:
            with Worker(keras_reading.__name__) as worker:
                worker.send(job, Limits(_SECONDS), {})
                weights = dict(worker.answer().arrays)
        except WorkerFailed as failed:
            what = f"does not hold the weights of {self.loaded.name}'s Keras model"
            raise failed.error(file, what) from None
        for weight in model.weights:
            weight.assign(weights[weight.path])
        return weights

    @cached_property
    def built(self) -> TorchShapes:
        """The tensors of the pair's own PyTorch model, from a process that has built it."""
        loaded = self.loaded
        job = ShapesJob(loaded.place, dict(self.stated), dict(self.stored))
        try:
            with lent(torch_shapes.__name__, program=loaded.program) as worker:
                worker.send(job, Limits(_SECONDS), {})
                return worker.answer().read(TorchShapes)
        except WorkerFailed as failed:
            raise failed.error(loaded.name, "its PyTorch model cannot be built") from None

    @contextmanager
    def named(self, method: str) -> Iterator[None]:
        """Blame the pair for what its own code raises."""
        with blaming(self.loaded, method):
            yield


@dataclass(frozen=True)
class PairCheckpoint(PairModels):
    """A checkpoint, and the pair of models that it is for."""

    mapping: WeightMapping
    checkpoint: Checkpoint

    @cached_property
    def digests(self) -> Mapping[str, str]:
        return {name: digest.of_tensor(array) for name, array in self.checkpoint.tensors.items()}

    def plan(self, model: Any) -> Plan:
        """Return the plan, checked on both sides. Raises PortError with every finding."""
        keras = {weight.path: tuple(weight.shape) for weight in model.weights}
        shapes = Shapes(self._torch_shapes, keras)
        sizes = transfer.sizes_from_shapes(self.mapping, shapes.torch, keras) | self.sizes()
        plan = transfer.plan(self.mapping, sizes, shapes)
        tensors = self.checkpoint.tensors
        if findings := transfer.check(plan, Direction.TORCH_TO_KERAS, tensors, keras):
            hint = naming_hint(model, plan)
            raise PortError(self.checkpoint.path, transfer.summary(findings), hint)
        return plan

    @contextmanager
    def running(self, case: Case) -> Iterator[TorchRun]:
        """Yield PyTorch's run of a case, which has begun."""
        needed, _ = NamesWanted(self.mapping).names(self._torch_shapes)
        job = TorchJob(
            weights=self.checkpoint.location,
            mapping=self.mapping.path,
            ignored=tuple(sorted(self.checkpoint.tensors.keys() - needed)),
            pair=self.loaded.place,
            config=dict(self.stated),
            stored=dict(self.stored),
            truth=True,
            only=tuple(tensors_within(self.checkpoint.tensors)),
        )
        program = self.loaded.program
        with running(self.checkpoint.path, job, case, lambda: self.digests, program) as run:
            yield run

    @property
    def _torch_shapes(self) -> Mapping[str, Shape]:
        return {name: array.shape for name, array in self.checkpoint.tensors.items()}

    def report(
        self, name: str, model: Any, plan: Plan, weights: WeightComparison, first: TorchRun
    ) -> Report:
        """Compare a Keras model, of the file `name`, with PyTorch's on every case; of the `first`,
        PyTorch's run has begun."""
        tensors = self.checkpoint.tensors
        exact = transfer.in_float64(plan, tensors)
        loaded = self.loaded
        origin = Origin(loaded.place, self.stated, self.stored, loaded.program)
        candidate = KerasCandidate(self.pair, self.config, model, plan, name, exact, origin)
        path, (case, *others) = str(self.checkpoint.path), self.cases
        reports = [candidate.judge(case, first, path, weights)]
        for case in others:
            with self.running(case) as reference:
                reports.append(candidate.judge(case, reference, path, weights))
        report = of_cases(self.cases, reports)
        lossy = lost(self, plan)
        notes = (*self.checkpoint.notes, f"config: {self.origin}", *report.notes, *lossy)
        cautions = (*self.checkpoint.cautions, *report.cautions, *first.notes, *lossy)
        return replace(report, notes=(*notes, *first.notes), cautions=cautions)

    def weights(self, plan: Plan, variables: Mapping[str, NDArray[Any]]) -> WeightComparison:
        """Hold the variables of a Keras model against the checkpoint, bit for bit."""
        found = compare_weights(plan, self.checkpoint.tensors, variables)
        return replace(found, rounded=weights_of.rounded(self.checkpoint))


def open_pair(
    path: str | Path, pair: str | Pair, config: str | Path | None, weights: str | None = None
) -> PairCheckpoint:
    """Open a checkpoint for a pair, and find its config: the file that is given, what the
    checkpoint holds, and what lies beside it as config.json.

    Raises PortError for what cannot be used, in the words of the pair where its code refuses it.
    """
    loaded = load_pair(pair)
    if not (file := mapping_path(loaded.pair)).exists():
        raise PortError(file, "does not exist", "plan --pair FILE.py --out my.yaml drafts one")
    mapping = transfer.load(file)
    mapping.check_settled()
    rules = rules_of(mapping)
    checkpoint = read_checkpoint(local_weights(path), rules, NamesWanted(mapping), weights)
    models = with_config(loaded, config, checkpoint)
    about = models.stated, models.stored, models.config, models.origin
    return PairCheckpoint(loaded, *about, mapping, checkpoint)


def with_config(
    loaded: LoadedPair, config: str | Path | None, checkpoint: Checkpoint | None
) -> PairModels:
    """Return a pair with its config, see `open_pair`."""
    stated = {} if config is None else read_file(Path(config))
    stored, origin = None, "stored in the checkpoint"
    if checkpoint is not None:
        stored, beside = checkpoint.config, checkpoint.path.with_name(_HUGGING_FACE)
        if stored is None and beside.is_file():
            stored, origin = read_file(beside), f"{beside.name} beside the checkpoint"
    origins = [*([str(config)] if config is not None else []), *([origin] if stored else [])]
    stored = dict(stored or {})
    source = config or (checkpoint.path if checkpoint else loaded.name)
    found = config_of(loaded, stated, stored, source)
    said = ", over ".join(origins) or "none given, stored or beside the checkpoint"
    return PairModels(loaded, stated, stored, found, said)


def config_of(
    loaded: LoadedPair, stated: Mapping[str, Any], stored: Mapping[str, Any], source: str | Path
) -> Any:
    """Return what a pair makes of a config. Raises PortError, naming its `source`, for one that the
    pair does not take."""
    with blaming(loaded, "read_config"):
        try:
            return config_keys.read_config(loaded.pair, stated, stored)
        except ValueError as error:  # the pair's words for the user
            raise PortError(source, printable(error, _LONGEST)) from None


def lost(opened: PairCheckpoint, plan: Plan) -> tuple[str, ...]:
    """Return what lossy rules of the mapping do not give back, a sentence each."""
    return tuple(sentences(losses(plan, opened.checkpoint.tensors)))


@contextmanager
def blaming(loaded: LoadedPair, method: str) -> Iterator[None]:
    """Name the method of a pair whose own code raises an error: a PortError."""
    try:
        yield
    except PortError:
        raise
    except Exception as error:
        what = f"{type(loaded.pair).__name__}.{method} fails"
        said = f"{type(error).__name__}: {printable(error)}"
        raise PortError(loaded.name, f"{what} ({said})") from error
