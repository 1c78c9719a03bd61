"""The Keras model of any pair to a .tflite, proven against it before it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Self

from signbart_port.errors import PortError, ProofError
from signbart_port.parity.load_pair import LoadedPair
from signbart_port.parity.pair import Pair, Signature
from signbart_port.parity.report import Report
from signbart_port.system import atomic_output, processes
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.system.stderr import silenced_stderr
from signbart_port.tflite.model_file import SIGNATURE
from signbart_port.tflite.modes import Quantization, parse_quantization
from signbart_port.tflite.signature_graph import SignatureGraph
from signbart_port.tflite_export import pair_card, pair_conversion
from signbart_port.tflite_export.correspondence import Correspondence, correspond
from signbart_port.tflite_export.pair_conversion import PairConverterJob, SignatureSpec
from signbart_port.tflite_export.pair_proof import PairProof, Proven, folded
from signbart_port.verbs._pair_keras import PairKeras, open_keras
from signbart_port.verbs._pair_process import pair_process
from signbart_port.verbs._tflite_files import outputs


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
    conversion: Report | None = None
    """The proof that the Keras model is equal to the checkpoint, if it was made of one."""
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    def __repr__(self) -> str:
        verdict = "proven" if self.proven else "NOT PROVEN"
        return f"<PairEmitted {self.out}: {self.quantization.value}, {verdict}>"


def to_tflite_pair(
    path: str | Path,
    pair: str | Pair,
    out: str | Path | None = None,
    *,
    quantization: Quantization | str = Quantization.NONE,
    config: str | Path | None = None,
    weights: str | None = None,
    not_proven: bool = False,
    force: bool = False,
    progress: ProgressCallback = no_progress,
) -> PairEmitted:
    """Write the Keras model of a pair as a .tflite, and prove that the two compute the same.

    The file has builtin operators only, and the signatures that `Pair.tflite` returns; where it
    returns none, one for an example of the first case. The float32 file is compared with Keras on
    every case. Of a file with rounded weights every constant is compared with the float32 file's,
    and the graph must be the same.

    Args:
        path: A .keras, .weights.h5 or .h5 of the pair; or a checkpoint, which is converted first.
        pair: The pair: `FILE.py`, `FILE.py:NAME`, the name of an installed one, or an object.
        out: The .tflite to write. Default: the model's name with .tflite.
        quantization: "none": float32. "float16": half the size. "dynamic": int8 weights.
        config: A YAML or JSON file with the config of the models. Default: what the file has in its
            provenance, or the checkpoint.
        weights: The key that holds the weights of a checkpoint with several.
        not_proven: Whether to write a file with rounded weights also where its graph is not that of
            the float32 file: then nothing but its outputs was measured.
        force: Whether to replace an existing `out`.
        progress: Called with the name of each step as it begins.

    Returns:
        Where the file was written, its signatures, the reports of its proof.

    Raises:
        PortError: The input or the pair cannot be used.
        ProofError: The file is not equal to Keras; nothing is written.
    """
    mode = parse_quantization(quantization)
    (to,) = outputs(path, out, [mode])
    with tflite_files(path, pair, [mode], config, weights, not_proven, force) as emit:
        return emit(mode, to, progress)


@contextmanager
def tflite_files(
    path: str | Path,
    pair: str | Pair,
    modes: Sequence[Quantization],
    config: str | Path | None,
    weights: str | None,
    not_proven: bool,
    force: bool,
) -> Iterator[Callable[[Quantization, Path, ProgressCallback], PairEmitted]]:
    """Yield what writes the file of a mode, for one or several of a model that is opened once."""
    files = PairTFLiteFiles(path, pair, modes, config, weights, not_proven, force)
    if not isinstance(pair, str):
        with files:
            yield files.emit
        return
    about = {"path": Path(path), "modes": tuple(modes), "config": config, "weights": weights}
    about |= {"not_proven": not_proven, "force": force}
    with pair_process(pair, kept=False) as process:

        def emit(mode: Quantization, out: Path, progress: ProgressCallback) -> PairEmitted:
            return process.call(_emit, **about, mode=mode, out=out, progress=progress)

        yield emit


def _emit(
    path: Path,
    pair: str,
    modes: tuple[Quantization, ...],
    config: str | Path | None,
    weights: str | None,
    not_proven: bool,
    force: bool,
    mode: Quantization,
    out: Path,
    progress: ProgressCallback,
) -> PairEmitted:
    """Write the file of a mode, in a process that is for this model alone."""
    opened = _opened(path, pair, modes, config, weights, not_proven, force)
    return opened.emit(mode, out, progress)


@cache
def _opened(*given: Any) -> PairTFLiteFiles:
    return PairTFLiteFiles(*given).__enter__()  # its folder is in the process' own


class PairTFLiteFiles:
    """A Keras model of a pair that is opened once, for one .tflite or several.

    A context manager.
    """

    def __init__(
        self,
        path: str | Path,
        pair: str | Pair,
        modes: Sequence[Quantization],
        config: str | Path | None,
        weights: str | None,
        not_proven: bool,
        force: bool,
    ) -> None:
        self._path, self._pair, self._config, self._weights = Path(path), pair, config, weights
        self._not_proven, self._force = not_proven, force
        self._stack = ExitStack()
        self.progress: ProgressCallback = no_progress
        self._modes = tuple(dict.fromkeys((Quantization.NONE, *modes)))
        if calibrated := [mode.value for mode in modes if mode.calibrated]:
            what = f"quantization {', '.join(calibrated)} is made of SignBARTs alone"
            raise PortError(None, what, "Of a pair's models: none, float16, dynamic")

    def __enter__(self) -> Self:
        with processes.scratch_errors():
            self._folder = Path(self._stack.enter_context(processes.new_folder()))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def emit(self, mode: Quantization, out: Path, progress: ProgressCallback) -> PairEmitted:
        """Write the file of a mode. Raises as `to_tflite_pair` does."""
        self.progress = progress
        inputs = (self._path,)
        atomic_output.check(out, force=self._force, inputs=inputs)
        with (
            atomic_output.replacing(out, force=self._force, inputs=inputs) as temp,
            silenced_stderr(),
            processes.scratch_errors(),
        ):
            opened = self.opened
            reports = self.reports
            made = self._exact if mode is Quantization.NONE else self._rounded(mode)
            wrong = [
                f"{name}: {one.correspondence.sentence()}"
                for name, one in made.items()
                if one.correspondence is not None and not one.correspondence.same
            ]
            if wrong and not self._not_proven:
                raise ProofError(
                    f"{opened.path}: the .tflite is not proven, {wrong[0]}. --not-proven writes it"
                )
            data = self.files[mode].read_bytes()
            facts = pair_card.facts(mode, reports, made, not wrong)
            card = {"pair": self._pair_facts, **self._source_facts, **facts}
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
            conversion=opened.conversion,
            notes=(*opened.notes, *self._said_of_signatures),
            cautions=(*opened.cautions, *self.proof.cautions, *wrong),
        )

    @cached_property
    def opened(self) -> PairKeras:
        """The Keras model, of the file or converted from the checkpoint."""
        given = self._pair, self._config, self._weights, self._folder, self.progress
        return open_keras(self._path, *given)

    @property
    def _loaded(self) -> LoadedPair:
        return self.opened.models.loaded

    @cached_property
    def signatures(self) -> tuple[SignatureSpec, ...]:
        """The signatures of every file."""
        if self._stated:
            return self._stated
        case = self.opened.models.cases[0]
        shapes = {name: (1, *array.shape[1:]) for name, array in case.keras.items()}
        dtypes = {name: str(array.dtype) for name, array in case.keras.items()}
        floats = {name: "float32" for name, dtype in dtypes.items() if dtype.startswith("float")}
        return (SignatureSpec.of(Signature(SIGNATURE, shapes, {"output": ()}, dtypes | floats)),)

    @cached_property
    def _stated(self) -> tuple[SignatureSpec, ...]:
        """The signatures that the pair names."""
        models = self.opened.models
        with models.named("tflite"):
            stated = tuple(SignatureSpec.of(one) for one in models.pair.tflite(models.config))
        if len({one.name for one in stated}) < len(stated):
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
        self.progress(f"Proving the {mode.value} file")
        path, precision = self.files[mode], mode.spec.precision
        exact, rounded = self.files[Quantization.NONE].read_bytes(), path.read_bytes()
        named = str(self.opened.path)
        return {
            one.name: replace(
                self.proof.measured(path, one, named),
                correspondence=correspond(exact, rounded, one.name, precision),
            )
            for one in self.signatures
        }

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
