"""A Keras model's file to a .tflite, proven against the Keras model before it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from signbart_port.config import SignBartConfig
from signbart_port.data.clips import ENOUGH, RealClips
from signbart_port.errors import PortError
from signbart_port.metrics.accuracy import Accuracy
from signbart_port.model_files import keras_file
from signbart_port.model_files.config_resolution import Options
from signbart_port.parity.report import Report
from signbart_port.system import atomic_output, processes
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.system.stderr import silenced_stderr
from signbart_port.tflite import model_file
from signbart_port.tflite.metadata import attach
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export import mixed_precision
from signbart_port.tflite_export.emission import Emission
from signbart_port.tflite_export.model_card import card_of
from signbart_port.tflite_export.request import TFLiteOptions, validate_options
from signbart_port.untrusted import model_kind


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
    """What must be known of the checkpoint beside it, however quiet the program is."""

    def __repr__(self) -> str:
        passed = all(report.passed for report in self.reports)
        verdict = "equal" if passed else "NOT EQUAL"
        return f"<Emitted {self.out}: {self.quantization.value}, {verdict}>"

    @property
    def file(self) -> model_file.TFLiteFile:
        """The longest signature, `serving_default`."""
        return self.files[0]


def to_tflite(
    path: str | Path,
    out: str | Path | None = None,
    *,
    quantization: Quantization | str = Quantization.NONE,
    frames: int | Sequence[int] | None = None,
    dynamic_frames: bool = False,
    preprocessing: bool = False,
    skeleton: int | str | None = None,
    frame_size: str | Sequence[int] | None = None,
    softmax: bool = False,
    calibration: str | Path | None = None,
    clips: int = 128,
    seed: int = 0,
    data: str | Path | None = None,
    min_agreement: float | None = None,
    max_drop: float | None = None,
    pytorch: str | Path | None = None,
    labels: str | Path | None = None,
    skip_bad: bool = False,
    force: bool = False,
    options: Options | None = None,
    progress: ProgressCallback = no_progress,
) -> Emitted:
    """Write the SignBART of a Keras model's file as a .tflite that classifies one clip at a time.

    The file has builtin operators only. The signature `serving_default`, for the longest clips,
    takes `keypoints` (1, frames, K, 2) and `attention_mask` (1, frames) and gives `logits`
    (1, num_labels), or `probabilities`; `frames_16` and the like take shorter clips. Nothing is
    written unless the file computes what Keras does and passes its gate on real clips.

    Args:
        path: A model.h5, model.keras or model.weights.h5.
        out: The .tflite to write. Default: the model's name with .tflite.
        quantization: How the file stores and computes numbers. "none": float32. "float16": half the
            size, for GPUs. "dynamic": int8 weights, a quarter of the size, the fastest on CPUs.
            "int8", "int8_full" and "int16x8" are for accelerators and need `calibration`; with
            "int8_full", keypoints and logits are integers too.
        frames: The length of the clips, in frames, or several: a signature for each, all with the
            same weights. Shorter clips are padded and masked. Default: 64, or all that the model
            can take.
        dynamic_frames: Whether the app sets the number of frames at run time. Excludes several
            `frames`, and modes that need `calibration`.
        preprocessing: Whether the file takes raw keypoints, as MediaPipe gives them, and prepares
            them itself. Excludes "int8_full".
        skeleton: The name of the skeleton of raw clips, such as "holistic-543": of those in `data`
            and `calibration`, and with `preprocessing` of those that the file takes. 75 and 100 are
            MediaPipe's. Default: the model's.
        frame_size: Width and height of the frames, for clips of `data` and `calibration` in pixels.
        softmax: Whether the file gives probabilities instead of logits.
        calibration: The folder of a dataset whose training clips show the ranges of activations.
        clips: Calibration clips to use. With fewer than 100, a note says what the file costs.
        seed: Seed for choosing calibration clips.
        data: The folder of a dataset whose test clips the file is measured on. Default: that of
            `calibration`.
        min_agreement: The share of those clips, 0 to 1, for which the file must predict what the
            Keras model does. Default: that of the mode, 1 to 0.95. Needs `data` or `calibration`.
        max_drop: The largest loss of top-1 accuracy there, in percentage points, 0 to 100. Default:
            that of the mode, 0 or 2. Needs `data` or `calibration`.
        pytorch: A checkpoint to measure beside the file; the file is then held against it instead
            of the Keras model. Needs `data` or `calibration`.
        labels: A file with the names of the classes, to be kept in the .tflite: a label2id.json, a
            JSON list, or a text file with one a line. Default: those of the dataset, or of the
            model's config.
        skip_bad: Whether to leave out samples that cannot be used, and list them, instead of
            raising an error.
        force: Whether to replace an existing `out`.
        options: The config of a model.weights.h5, which holds none: a config file or the name of a
            published one, heads, joints, layout. Default: a config beside it.
        progress: Called with the name of each step as it begins.

    Returns:
        Where the file was written, its signatures, the reports of its proof, and its accuracy.

    Raises:
        PortError: The input cannot be used, or options are invalid or exclude each other.
        ProofError: The file disagrees with Keras or fails its gate; nothing is written.
    """
    path = Path(path)
    export_options = TFLiteOptions(
        quantization=quantization,
        frames=frames,
        dynamic_frames=dynamic_frames,
        preprocessing=preprocessing,
        skeleton=skeleton,
        frame_size=frame_size,
        softmax=softmax,
        calibration=calibration,
        clips=clips,
        seed=seed,
        data=data,
        min_agreement=min_agreement,
        max_drop=max_drop,
        pytorch=pytorch,
        labels=labels,
        skip_bad=skip_bad,
    )
    model_kind.check_kind(path, model_kind.ModelKind.KERAS)
    out = path.with_name(f"{model_kind.stem_of(path)}.tflite") if out is None else Path(out)
    if out.suffix != ".tflite":
        raise PortError(out, "the file is written as .tflite", "Name it like model.tflite")
    atomic_output.check(out, force=force, inputs=(path,))
    progress("Reading the Keras model")
    file = keras_file.read(path, options or Options())
    file.check_weights()
    request = validate_options(export_options, file)
    with atomic_output.replacing(out, force=force, inputs=(path,)) as temp, silenced_stderr():
        with processes.scratch_errors(), processes.new_folder() as folder:
            emission = Emission(file, request, Path(folder), progress)
            emission.convert(pytorch)
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
        tuple(f"{pytorch}: {said}" for said in emission.cautions),
    )


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
