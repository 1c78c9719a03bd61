"""The .tflite files of a pair's Keras model, and the proof of each."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from signbart_port.errors import PortError, ProofError
from signbart_port.parity.load_pair import LoadedPair
from signbart_port.parity.pair import Pair, Signature
from signbart_port.parity.report import Report
from signbart_port.system import atomic_output, processes
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.system.stderr import silenced_stderr
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite.signature_graph import SignatureGraph
from signbart_port.tflite_export import pair_card, pair_conversion
from signbart_port.tflite_export.correspondence import Correspondence, correspond
from signbart_port.tflite_export.pair_conversion import PairConverterJob, SignatureSpec
from signbart_port.tflite_export.pair_proof import PairProof, Proven, folded
from signbart_port.verbs._pair_integers import PairIntegers
from signbart_port.verbs._pair_keras import PairKeras, open_keras


@dataclass(frozen=True, repr=False)
class PairEmitted:
    """The result of `to_tflite_pair`."""

    out: Path
    source: Path
    pair: str
    """The pair's file and class, or its name."""
    quantization: Quantization
    size: int
    signatures: Mapping[str, SignatureGraph]
    """The signatures of the file, by name."""
    reports: tuple[Report, ...]
    """The comparisons of the float32 file with Keras: for every signature, each case."""
    correspondences: Mapping[str, Correspondence]
    """Of a file with rounded weights, by signature: its graph beside the float32 file's."""
    drift: float
    """The largest difference of an output from Keras in float64, relative to its largest value."""
    milliseconds: Mapping[str, float | None]
    """The time of one run on one thread, by signature."""
    folded: tuple[str, ...]
    """The weights that are part of other constants: they are compared by outputs alone."""
    weights: int
    """The number of the model's weights."""
    source_proven: bool
    """Whether the Keras file was proven equal to PyTorch's."""
    proven: bool
    """Whether the file itself was: False only where that was allowed."""
    errors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Of a file with rounded weights, by signature: the largest difference of each output from
    Keras in float64, as a share of its spread."""
    in_float: Mapping[str, int] = field(default_factory=dict)
    """Of an integer file: the operators that compute in float32, by kind."""
    conversion: Report | None = None
    """The proof that the Keras model is equal to the checkpoint, if it was made of one."""
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    def __repr__(self) -> str:
        verdict = "proven" if self.proven else "NOT PROVEN"
        return f"<PairEmitted {self.out}: {self.quantization.value}, {verdict}>"


@dataclass(frozen=True)
class PairTFLiteRequest:
    """What files are made of, and how: see the arguments of `to_tflite_pair`.

    Raises PortError for a largest error that is none.
    """

    path: Path
    config: str | Path | None
    weights: str | None
    modes: tuple[Quantization, ...] = ()
    max_error: float | None = None
    not_proven: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        if self.max_error is not None and not self.max_error >= 0:
            what = f"a largest error of {self.max_error:g} is no share"
            raise PortError(None, what, "Such as 0.05")


class PairTFLiteFiles:
    """A Keras model of a pair that is opened once, for one .tflite or several.

    A context manager.
    """

    def __init__(self, pair: str | Pair, request: PairTFLiteRequest) -> None:
        self._pair, self._request = pair, request
        self._stack = ExitStack()
        self.progress: ProgressCallback = no_progress
        converted = (mode for mode in request.modes if not mode.calibrated)
        self._modes = tuple(dict.fromkeys((Quantization.NONE, *converted)))

    def __enter__(self) -> Self:
        with processes.scratch_errors():
            self._folder = Path(self._stack.enter_context(processes.new_folder()))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def emit(self, mode: Quantization, out: Path, progress: ProgressCallback) -> PairEmitted:
        """Write the file of a mode. Raises as `to_tflite_pair` does."""
        self.progress = progress
        inputs, force = (self._request.path,), self._request.force
        atomic_output.check(out, force=force, inputs=inputs)
        with (
            atomic_output.replacing(out, force=force, inputs=inputs) as temp,
            silenced_stderr(),
            processes.scratch_errors(),
        ):
            opened = self.opened
            if mode.calibrated:  # which may be refused: before a conversion that takes its time
                self.integers.check_calibration()
            reports = self.reports
            made = self._exact if mode is Quantization.NONE else self._rounded(mode)
            wrong = [
                f"{name}: {one.correspondence.sentence()}"
                for name, one in made.items()
                if one.correspondence is not None and not one.correspondence.same
            ]
            if wrong and not self._request.not_proven:
                raise ProofError(
                    f"{opened.path}: the .tflite is not proven, {wrong[0]}. --not-proven writes it"
                )
            self._check_errors(mode, made)
            data = self._file(mode).read_bytes()
            facts = pair_card.facts(mode, reports, made, not wrong)
            calibrated = [self.integers.compared_on(self.proof)] if mode.calibrated else []
            card = {"pair": self._pair_facts, **self._source_facts, **facts}
            card |= {"calibration": calibrated[0]} if calibrated else {}
            temp.write_bytes(pair_card.attach(data, card))
            pair_card.check_same_model(temp, data, made)
        return PairEmitted(
            out=out,
            source=opened.path,
            pair=self._loaded.name,
            quantization=mode,
            size=out.stat().st_size,
            signatures={name: one.graph for name, one in made.items()},
            reports=reports,
            correspondences={
                name: one.correspondence for name, one in made.items() if one.correspondence
            },
            drift=max(one.drift for one in made.values()),
            milliseconds={name: one.milliseconds for name, one in made.items()},
            folded=self._folded,
            weights=len(opened.weights),
            source_proven=opened.proven,
            proven=not wrong,
            errors={name: one.errors for name, one in made.items() if one.errors},
            in_float=next(iter(made.values())).in_float,
            conversion=opened.conversion,
            notes=(*opened.notes, *self._said_of_signatures, *calibrated),
            cautions=(*opened.cautions, *self.proof.cautions, *wrong),
        )

    def _check_errors(self, mode: Quantization, made: Mapping[str, Proven]) -> None:
        """Raise ProofError for an output that is further off than the user wants."""
        if (most := self._request.max_error) is None:
            return
        for signature, one in made.items():
            for output, error in one.errors.items():
                if not error <= most:
                    what = f"{signature}: {output} is off by {error:.2%} of its spread"
                    raise ProofError(
                        f"{self.opened.path}: the {mode.value} .tflite is not written, {what}, more"
                        f" than {most:.2%} (--max-error)"
                    )

    @cached_property
    def opened(self) -> PairKeras:
        """The Keras model, of the file or converted from the checkpoint."""
        asked = self._request
        given = self._pair, asked.config, asked.weights, self._folder, self.progress
        return open_keras(asked.path, *given)

    @property
    def _loaded(self) -> LoadedPair:
        return self.opened.models.loaded

    @cached_property
    def signatures(self) -> tuple[SignatureSpec, ...]:
        """The signatures of every file."""
        with self.opened.models.named("tflite"):
            return tuple(map(SignatureSpec.of, self._declared))

    @cached_property
    def integers(self) -> PairIntegers:
        """The files of calibrated modes."""
        exact = self._folder / f"{Quantization.NONE.value}.tflite"
        return PairIntegers(self.opened.models, self._declared, exact, str(self.opened.path))

    @property
    def _declared(self) -> tuple[Signature, ...]:
        return self._stated or (Signature.of(self.opened.models.cases[0]),)

    @cached_property
    def _stated(self) -> tuple[Signature, ...]:
        """The signatures that the pair names."""
        models = self.opened.models
        with models.named("tflite"):
            stated = tuple(models.pair.tflite(models.config))
            names = {one.name for one in stated}
        if len(names) < len(stated):
            raise PortError(models.loaded.name, "names two signatures alike")
        return stated

    @property
    def _said_of_signatures(self) -> tuple[str, ...]:
        if self._stated:
            return ()
        what = "the pair names no signature: it takes one example of the first case"
        return (f"{what}, {self.opened.models.cases[0].name}",)

    @cached_property
    def proof(self) -> PairProof:
        """The model as files are held against it."""
        models = self.opened.models
        return PairProof(models.pair, models.config, self.opened.model, models.cases)

    @cached_property
    def files(self) -> Mapping[Quantization, Path]:
        """The files of all modes, as the converter made them."""
        opened, models = self.opened, self.opened.models
        files = {mode: self._folder / f"{mode.value}.tflite" for mode in self._modes}
        for one in self.signatures:
            self.proof.fitted(one)  # which is refused before a conversion that takes its time
        self.progress("Converting")
        job = PairConverterJob(
            models.loaded.place,
            dict(models.stated),
            dict(models.stored),
            self.signatures,
            {mode.value: path for mode, path in files.items()},
        )
        pair_conversion.convert(job, opened.weights, models.loaded.program, str(opened.path))
        return files

    @cached_property
    def _exact(self) -> Mapping[str, Proven]:
        """The signatures of the float32 file, proven."""
        names = (f"{self.opened.path} in float64", "the .tflite")
        path = self.files[Quantization.NONE]
        self.progress("Proving the file")
        return {one.name: self.proof.exact(path, one, names) for one in self.signatures}

    @cached_property
    def reports(self) -> tuple[Report, ...]:
        """The comparisons of the float32 file. Raises ProofError where one fails."""
        reports = tuple(report for one in self._exact.values() for report in one.reports)
        for report in reports:
            if not report.passed:
                what = f"{self.opened.path}: the .tflite is NOT EQUAL, {report.verdict()}"
                raise ProofError(what, report)
        return reports

    def _rounded(self, mode: Quantization) -> Mapping[str, Proven]:
        path, precision = self._file(mode), mode.spec.precision
        self.progress(f"Proving the {mode.value} file")
        exact, rounded = self.files[Quantization.NONE].read_bytes(), path.read_bytes()
        named, ranges = str(self.opened.path), self.integers.ranges if mode.calibrated else None
        made = {
            one.name: replace(
                self.proof.measured(path, one, named),
                correspondence=correspond(exact, rounded, one.name, precision, ranges),
            )
            for one in self.signatures
        }
        found = {one.graph.precision for one in made.values()}
        if mode.calibrated and found != {precision}:
            what = f"{mode.value} would leave most products in float32"
            raise ProofError(f"{named}: {what}, which is not what its name says. dynamic may do")
        return made

    def _file(self, mode: Quantization) -> Path:
        if mode.calibrated:
            return self.integers.file(mode, self.progress)
        return self.files[mode]

    @cached_property
    def _folded(self) -> tuple[str, ...]:
        names = [one.name for one in self.signatures]
        return tuple(folded(self.files[Quantization.NONE], names, self.opened.weights))

    @property
    def _pair_facts(self) -> Mapping[str, Any]:
        return {"name": self._loaded.name, "sha256": self._loaded.sha256}

    @property
    def _source_facts(self) -> Mapping[str, Any]:
        opened = self.opened
        return {
            "source": {
                "name": opened.path.name,
                "sha256": opened.sha256,
                "proven": opened.proven,
                "made_of": (opened.provenance or {}).get("source"),
            },
            "config": {"stated": dict(opened.models.stated), "stored": dict(opened.models.stored)},
        }
