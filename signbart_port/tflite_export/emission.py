"""The steps from a Keras model to a proven .tflite, in a folder of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from signbart_port.data.clips import RealClips
from signbart_port.data.model_inputs import Inputs
from signbart_port.errors import PortError, ProofError
from signbart_port.inference.logits import SignatureRun, run
from signbart_port.metrics.accuracy import Accuracy, measure
from signbart_port.model_files import mappings
from signbart_port.model_files.checkpoint_model import open_checkpoint
from signbart_port.model_files.config_resolution import Options, Resolved
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.pairs.signbart_torch_run import torch_run
from signbart_port.parity.reference import TorchRun
from signbart_port.parity.report import Report
from signbart_port.parity.taps import LOGITS
from signbart_port.system.progress import ProgressCallback
from signbart_port.system.worker import FailureKind, Worker, WorkerFailed
from signbart_port.tflite import model_file
from signbart_port.tflite.model_file import TFLiteFile
from signbart_port.tflite_export import conversion, gate, mixed_precision, quantization
from signbart_port.tflite_export.conversion import Conversion
from signbart_port.tflite_export.proof import Expected, Models, check_graph, prove
from signbart_port.tflite_export.quantization import Integers
from signbart_port.tflite_export.request import TFLiteRequest

_SECONDS = conversion.SECONDS

Logits = NDArray[np.floating]


class Emission:
    """The conversion, quantization, gate and proof of an opened model.h5.

    Everything is written into `folder`. Its methods raise ProofError.
    """

    def __init__(
        self, file: KerasModel, request: TFLiteRequest, folder: Path, progress: ProgressCallback
    ) -> None:
        self._file, self._request, self._folder = file, request, folder
        self._progress = progress
        self._float = folder / "float.tflite"
        self.models: Models
        self.expected: dict[int, Expected]
        self._outputs: dict[str, Logits] = {}
        self._calibration: Inputs | None = None
        self.cautions: tuple[str, ...] = ()

    def convert(self, pytorch: str | Path | None, like: Emission | None = None) -> None:
        """Convert in a worker, and meanwhile run Keras here and PyTorch, if a checkpoint is given,
        in another.

        What Keras and PyTorch gave to an emission of the same model that is `like` this one but for
        its mode is used again.
        """
        file, request = self._file, self._request
        wanted = Conversion(request.frames, request.quantization, request.interface)
        with ExitStack() as stack:
            work = stack.enter_context(conversion.running(file, wanted, self._float, _SECONDS))
            if like is not None and like._serves(request):
                self.models, self.expected = like.models, like.expected
                self._outputs, self.cautions = like._outputs, like.cautions
            else:
                self._run_others(pytorch, stack)
            self._progress("Converting")
            self._finish("TensorFlow's converter", work)

    def _serves(self, request: TFLiteRequest) -> bool:
        """Return whether what Keras gave is what it would give for another request."""
        ours = self._request
        return (ours.quantization.calibrated, ours.interface, ours.proof_lengths) == (
            request.quantization.calibrated,
            request.interface,
            request.proof_lengths,
        )

    def _run_others(self, pytorch: str | Path | None, stack: ExitStack) -> None:
        file, request = self._file, self._request
        torch = stack.enter_context(self._pytorch(Path(pytorch))) if pytorch else None
        self._progress("Importing TensorFlow")
        self.models = Models(file, request.interface, request.quantization.calibrated)
        self._progress("Running Keras")
        self.expected = {frames: self.models.expected(frames) for frames in request.proof_lengths}
        if pytorch and torch:
            self._outputs[Path(pytorch).name] = torch.value(LOGITS)
            self.cautions += torch.notes
        if request.data:
            inputs = gate.keras_inputs(request.data, file.config)
            self._outputs[file.path.name] = gate.keras_logits(self.models.float32, inputs)

    def quantize(self) -> tuple[Path, Accuracy | None, mixed_precision.Kept]:
        """Quantize the file. Returns it, its accuracy on real clips, and what it keeps in float to
        pass its gate."""
        request = self._request
        if request.quantization.spec.recipe is None:
            return self._float, self._gated(self._float), mixed_precision.Kept()
        if request.calibration is not None:
            self._progress("Calibrating")
            self._calibration = request.calibration.inputs(
                request.interface, self._file.config, request.longest, request.longest
            )
        file = self._quantized(())
        try:
            return file, self._gated(file), mixed_precision.Kept()
        except ProofError as error:
            if request.calibration is None:
                raise
            attempts = mixed_precision.search(
                self._float, self._quantized, self._on_calibration, self._progress
            )
            for kept, attempt in attempts:
                try:
                    return attempt, self._gated(attempt), kept
                except ProofError:
                    continue
            raise error

    def prove(self, path: Path, name: str) -> list[tuple[Report, SignatureRun]]:
        """Prove that each signature of a file is as requested and computes what Keras does: a
        report per number of frames."""
        source = self._file.path
        with self._converter_errors():
            files = model_file.read_all(path)
            for file in files:
                check_graph(source, file, self._request.quantization)
            names, interface = (source.name, name), self._request.interface
            proofs = list(prove(names, files, self.models, self.expected, interface))
        for report, _ in proofs:
            if not report.passed:
                raise ProofError(f"{source}: the .tflite is NOT EQUAL, {report.verdict()}")
        return proofs

    def check_unchanged(self, files: Sequence[TFLiteFile], proven: Sequence[SignatureRun]) -> None:
        """Raise ProofError unless the file as written gives bit for bit what the proven one
        does."""
        runs = [
            (f, n) for f in files for n in ([f.frames] if f.frames else self._request.proof_lengths)
        ]
        for (file, frames), result in zip(runs, proven, strict=True):
            if not np.array_equal(
                run(file, self.expected[frames].file_inputs).outputs, result.outputs
            ):
                raise ProofError(f"{self._file.path}: describing the .tflite has changed it")

    def _pytorch(self, checkpoint: Path) -> AbstractContextManager[TorchRun]:
        """Start PyTorch on the real clips."""
        assert self._request.data is not None  # see `request`
        config = Resolved(self._file.config, f"config of {self._file.path.name}")
        source = open_checkpoint(checkpoint, Options(), mappings.signbart(), config)
        self.cautions += source.cautions
        inputs = gate.keras_inputs(self._request.data, source.resolved.config)
        return torch_run(source, inputs, truth=False, logits_alone=True)

    def _quantized(self, kept: tuple[str, ...], with_weights: bool = False) -> Path:
        out = self._folder / "quantized.tflite"
        integers = Integers(self._request.quantization, kept, with_weights)
        clips = self._calibration
        with quantization.running(self._folder, integers, out, clips, _SECONDS) as work:
            self._finish("the quantizer", work)
        return out

    def _gated(self, path: Path) -> Accuracy | None:
        clips = self._request.data
        if clips is None:
            return None
        outputs = self._run(path, clips)
        reference = {
            name: self._request.interface.output_of(logits)
            for name, logits in self._outputs.items()
        }
        try:
            compared = reference | {f"{self._request.quantization.value} .tflite": outputs}
            accuracy = measure(compared, clips.targets, clips.names, clips.labels)
        except ValueError as error:
            raise ProofError(f"{self._file.path}: {error}") from None
        if missed := gate.shortfall(accuracy, self._request.gate):
            raise ProofError(f"{self._file.path}: the .tflite {missed}")
        return accuracy

    def _on_calibration(self, path: Path) -> Logits:
        assert self._request.calibration is not None
        return self._run(path, self._request.calibration)

    def _run(self, path: Path, clips: RealClips) -> Logits:
        with self._converter_errors():
            files = model_file.read_all(path)
            return gate.file_outputs(files, clips, self._request.interface, self._file.config)

    @contextmanager
    def _converter_errors(self) -> Iterator[None]:
        """Turn a PortError about a converted file into a ProofError: the input itself is good."""
        try:
            yield
        except PortError as error:
            if error.path is None or not Path(error.path).is_relative_to(self._folder):
                raise  # such as a full temporary folder
            raise ProofError(f"{self._file.path}: the .tflite made of it {error.what}") from None

    def _finish(self, who: str, work: Worker) -> None:
        try:
            work.answer()
        except WorkerFailed as failed:
            if failed.failure.kind is FailureKind.REFUSED:  # such as a full temporary folder
                raise failed.error(self._file.path, who) from None
            raise ProofError(f"{self._file.path}: {who} {failed}") from None
