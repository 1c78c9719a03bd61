"""model.h5 to a .tflite, proven against the Keras model before it is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from signbart_port.config import SignBartConfig
from signbart_port.errors import PortError
from signbart_port.metrics.accuracy import Accuracy
from signbart_port.model_files import h5
from signbart_port.parity.report import Report
from signbart_port.system import atomic_output, processes
from signbart_port.system.stderr import quiet
from signbart_port.tflite import model_file
from signbart_port.tflite.metadata import attach
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export import mixed_precision
from signbart_port.tflite_export.emission import Emission
from signbart_port.tflite_export.model_card import card_of
from signbart_port.tflite_export.request import Wishes, understood
from signbart_port.untrusted import model_kind


@dataclass(frozen=True)
class Emitted:
    """What `to_tflite` wrote: a report for each number of frames that was checked, with the time of
    one clip in milliseconds; how the file did on real clips, what was kept in float for that, the
    clips of its calibration, and samples that were left out because they cannot be read."""

    out: Path
    config: SignBartConfig
    quantization: Quantization
    files: tuple[model_file.TFLiteFile, ...]
    reports: tuple[Report, ...]
    milliseconds: tuple[float, ...]
    source_proven: bool
    accuracy: Accuracy | None = None
    kept: mixed_precision.Kept = field(default_factory=mixed_precision.Kept)
    calibrated_on: tuple[str, ...] = ()
    skipped: frozenset[Path] = frozenset()

    @property
    def file(self) -> model_file.TFLiteFile:
        """The longest signature, `serving_default`."""
        return self.files[0]


def to_tflite(
    path: str | Path,
    out: str | Path | None = None,
    *,
    force: bool = False,
    progress: Callable[[str], None] = lambda step: None,
    **wishes: Any,
) -> Emitted:
    """Write the SignBART of model.h5 as a .tflite: one clip at a time, builtin operators only.

    The signature `serving_default`, of the longest clips, takes `keypoints` (1, frames, K, 2) and
    `attention_mask` (1, frames) and gives `logits` (1, num_labels), or `probabilities`;
    `frames_16` and the like take shorter ones. `wishes` are those of `request.Wishes`, such as
    `quantization="dynamic"` or `frames=(16, 32, 64)`. Raises PortError for input that cannot be
    used, ProofError where the file disagrees with Keras or fails its gate.
    """
    path, wanted = Path(path), Wishes(**wishes)
    model_kind.check_kind(path, model_kind.ModelKind.KERAS)
    out = path.with_suffix(".tflite") if out is None else Path(out)
    if out.suffix != ".tflite":
        raise PortError(out, "the file is written as .tflite", "Name it like model.tflite")
    atomic_output.check(out, force=force, inputs=(path,))
    progress("Reading the Keras model")
    file = h5.read(path)
    request = understood(wanted, file)
    with atomic_output.replacing(out, force=force, inputs=(path,)) as temp, quiet():
        with processes.blaming_scratch(), processes.new_folder() as folder:
            emission = Emission(file, request, Path(folder), progress)
            emission.convert(wanted.pytorch)
            chosen, accuracy, kept = emission.judged()
            progress("Proving the file")
            proofs = emission.proven(chosen, out.name)
            reports = tuple(report for report, _ in proofs)
            described = attach(chosen.read_bytes(), card_of(file, request, reports, accuracy))
        temp.write_bytes(described)
        files = model_file.read_all(temp)
        emission.refuse_change(files, [result for _, result in proofs])
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
    )
