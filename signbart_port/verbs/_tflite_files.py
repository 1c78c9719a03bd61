"""The .tflite files of a model that is opened once, one or several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from signbart_port.config import SignBartConfig
from signbart_port.data.clips import ENOUGH, RealClips
from signbart_port.errors import PortError
from signbart_port.hub.address import named_for_outputs
from signbart_port.metrics.accuracy import Accuracy
from signbart_port.model_files import keras_file
from signbart_port.model_files.config_resolution import Options
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.model_files.local_weights import local_weights
from signbart_port.parity.report import Report
from signbart_port.system import atomic_output, processes
from signbart_port.system.progress import ProgressCallback
from signbart_port.system.stderr import silenced_stderr
from signbart_port.tflite import model_file
from signbart_port.tflite.metadata import attach
from signbart_port.tflite.modes import Quantization, parse_quantization
from signbart_port.tflite_export import mixed_precision
from signbart_port.tflite_export.emission import Emission
from signbart_port.tflite_export.model_card import card_of
from signbart_port.tflite_export.request import TFLiteOptions, validate_options
from signbart_port.untrusted import model_kind
from signbart_port.untrusted.file_kind import CHECKPOINTS, sniff
from signbart_port.untrusted.model_kind import ModelKind
from signbart_port.untrusted.weights_file import INDEX
from signbart_port.verbs.convert import convert

TAKES = ".h5, .keras, .pth or .safetensors"


@dataclass(frozen=True, repr=False)
class Emitted:
    """The result of `to_tflite`."""

    out: Path
    config: SignBartConfig
    quantization: Quantization
    files: tuple[model_file.TFLiteFile, ...]
    """The signatures of the file, the longest first."""
    reports: tuple[Report, ...]
    """A report for each number of frames that was checked."""
    milliseconds: tuple[float, ...]
    """The time of one clip, for each report."""
    source_proven: bool
    """Whether the .h5 was proven against PyTorch."""
    accuracy: Accuracy | None = None
    """The accuracy of the file on real clips."""
    kept: mixed_precision.Kept = field(default_factory=mixed_precision.Kept)
    """The modules that stay in float so that the file passes its gate."""
    calibrated_on: tuple[str, ...] = ()
    """The clips of the calibration."""
    skipped: frozenset[Path] = frozenset()
    """The samples that were left out because they cannot be read."""
    notes: tuple[str, ...] = ()
    """How the real clips were read, what in them may surprise, and what was taken for what."""
    cautions: tuple[str, ...] = ()
    """What must be known of the checkpoints, however quiet the program is."""
    conversion: Report | None = None
    """The proof that the Keras model in between is equal to the checkpoint, if it was made of
    one."""

    def __repr__(self) -> str:
        passed = all(report.passed for report in self.reports)
        verdict = "equal" if passed else "NOT EQUAL"
        return f"<Emitted {self.out}: {self.quantization.value}, {verdict}>"

    def _repr_html_(self) -> str:
        from signbart_port.report.notebook import fragment

        reports = (*filter(None, [self.conversion]), *self.reports)
        return fragment(*reports, heading=f"{self.out}: {self.quantization.value}")

    @property
    def file(self) -> model_file.TFLiteFile:
        """The longest signature, `serving_default`."""
        return self.files[0]


@dataclass(frozen=True)
class _Source:
    """The Keras model that files are made of, and what is known of its conversion."""

    model: KerasModel
    cautions: tuple[str, ...] = ()
    conversion: Report | None = None


class TFLiteFiles:
    """A model that is opened once, for one .tflite or several.

    A context manager. A checkpoint is converted when the first file is asked for, and proven equal.
    """

    def __init__(
        self,
        path: str | Path,
        asked: TFLiteOptions,
        options: Options | None,
        mapping: str | Path | None,
        *,
        force: bool,
    ) -> None:
        self._path, self._asked, self._force = Path(path), asked, force
        self._options, self._mapping = options or Options(), mapping
        self._source: _Source | Exception | None = None
        self._last: Emission | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._source = self._last = None
        self._stack.close()

    def emit(self, mode: Quantization | str, out: Path, progress: ProgressCallback) -> Emitted:
        """Write the file of a mode. Raises as `to_tflite` does."""
        force = self._force
        path, _ = self._file(progress)  # before it is refused as the output
        atomic_output.check(out, force=force, inputs=(path,))
        source = self._opened(progress)
        file = source.model
        request = validate_options(replace(self._asked, quantization=mode), file)
        with atomic_output.replacing(out, force=force, inputs=(path,)) as temp, silenced_stderr():
            with processes.scratch_errors(), processes.new_folder() as folder:
                emission = Emission(file, request, Path(folder), progress)
                emission.convert(self._asked.pytorch, self._last)
                self._last = emission
                chosen, accuracy, kept = emission.quantize()
                progress("Proving the file")
                proofs = emission.prove(chosen, out.name)
                reports = tuple(report for report, _ in proofs)
                described = attach(chosen.read_bytes(), card_of(file, request, reports, accuracy))
            temp.write_bytes(described)
            files = model_file.read_all(temp)
            emission.check_unchanged(files, [result for _, result in proofs])
        return Emitted(
            out,
            file.config,
            request.quantization,
            tuple(replace(file, path=out) for file in files),
            reports,
            tuple(result.milliseconds for _, result in proofs),
            file.proven,
            accuracy,
            kept,
            request.calibration.names if request.calibration else (),
            request.skipped,
            (*file.notes, *request.notes, *_about_calibration(request.calibration, accuracy)),
            (*source.cautions, *(f"{self._asked.pytorch}: {said}" for said in emission.cautions)),
            source.conversion,
        )

    def _opened(self, progress: ProgressCallback) -> _Source:
        if self._source is None:
            try:
                self._source = self._read(progress)
            except Exception as error:
                self._source = error  # of each file that is asked for
        if isinstance(self._source, Exception):
            raise self._source
        return self._source

    def _file(self, progress: ProgressCallback) -> tuple[Path, bool]:
        """Return the file of the model, and whether it is a checkpoint. Raises PortError if it is
        of another kind."""
        self._path = path = local_weights(self._path, TAKES, progress)
        if sniff(path) in CHECKPOINTS:
            return path, True
        model_kind.check_kind(path, ModelKind.KERAS)
        return path, False

    def _read(self, progress: ProgressCallback) -> _Source:
        path, is_checkpoint = self._file(progress)
        if not is_checkpoint:
            if self._mapping is not None:
                raise PortError(path, "--mapping is for a checkpoint", "Leave it out")
            self._options.check_no_weights(path)
            progress("Reading the Keras model")
            file = keras_file.read(path, self._options)
            file.check_weights()
            return _Source(file)
        with processes.scratch_errors():
            folder = Path(self._stack.enter_context(processes.new_folder()))
        done = convert(
            path, folder / "model.h5", self._options, mapping=self._mapping, progress=progress
        )
        checkpoint = done.source.checkpoint
        # The user knows the checkpoint, and the file in between is gone when all is done.
        file = keras_file.read(done.out, Options())
        file = replace(file, path=checkpoint.path, sha256=checkpoint.sha256)
        return _Source(file, done.cautions, done.report)


def outputs(
    path: str | Path, out: str | Path | None, modes: Sequence[Quantization | str]
) -> list[Path]:
    """Return the path of the .tflite of each mode: of one, `out`, or the model's name with .tflite;
    of several, the name of the mode is added to all but that of "none".

    Raises PortError for a mode that is not known or named twice, and for the name of no .tflite.
    """
    parsed = [parse_quantization(mode) for mode in modes]
    if not parsed:
        raise PortError(None, "--quantization names no mode")
    if twice := [mode.value for mode, number in Counter(parsed).items() if number > 1]:
        raise PortError(None, f"--quantization names {twice[0]} twice")
    path = named_for_outputs(Path(path))
    out = path.with_name(default_name(path)) if out is None else Path(out)
    if out.suffix != ".tflite":
        raise PortError(out, "the file is written as .tflite", "Name it like model.tflite")
    several = len(parsed) > 1
    return [
        out.with_name(f"{out.stem}-{mode.value}.tflite")
        if several and mode is not Quantization.NONE
        else out
        for mode in parsed
    ]


def default_name(path: Path) -> str:
    """Return the name of the .tflite of a model, where none is given."""
    return f"{model_kind.stem_of(Path(path.name.removesuffix(INDEX)))}.tflite"


def _about_calibration(clips: RealClips | None, accuracy: Accuracy | None) -> Iterator[str]:
    """Yield what a calibration on few clips costs."""
    if clips is None or (count := len(clips.entries)) >= ENOUGH:
        return
    costs = ""
    if accuracy is not None:
        reference, candidate = accuracy.reference, accuracy.candidate
        costs = (
            f". On {accuracy.clips} clips the file predicts what {reference.model} does for"
            f" {candidate.agreement:.1%}, and loses {accuracy.drop:.1f} points of top-1 accuracy"
        )
    yield (
        f"calibrated on {count} {'clip' if count == 1 else 'clips'}, fewer than {ENOUGH}:"
        f" activations beyond the ranges that these show are cut off{costs}"
    )
