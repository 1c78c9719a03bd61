"""The outputs of a model file for clips, by a worker that starts at once and gets its clips later.

The worker imports its framework while the clips are read here, so nothing heavy is imported here
before that; and the two frameworks never share a process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from signbart_port.data.clip_format import AS_STORED, ClipFormat
from signbart_port.errors import PortError
from signbart_port.inference.jobs import WEIGHTS, FrameworkJob, TFLiteJob, TFLiteResult
from signbart_port.system.warm_workers import lent
from signbart_port.system.worker import Answer, Limits, WorkerFailed
from signbart_port.untrusted.model_kind import ModelKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from signbart_port.data.model_inputs import Inputs
    from signbart_port.model_files.model_file import WeightFile
    from signbart_port.tflite.model_file import TFLiteFile
    from signbart_port.tflite.runner import SignatureInputs

_WORKERS = {
    ModelKind.CHECKPOINT: "signbart_port.inference.workers.torch_logits",
    ModelKind.KERAS: "signbart_port.inference.workers.keras_logits",
    ModelKind.TFLITE: "signbart_port.inference.workers.tflite_runner",
}
_CANNOT = {
    ModelKind.CHECKPOINT: "PyTorch cannot run it",
    ModelKind.KERAS: "Keras cannot run it",
    ModelKind.TFLITE: "the LiteRT interpreter cannot run it",
}
_FRAMEWORK_SECONDS = 3600
_TFLITE_SECONDS = 600
_TFLITE_MEMORY = 20  # times the file


@dataclass(frozen=True)
class Outputs:
    """The outputs of a model for raw clips."""

    scores: NDArray[np.floating]
    """(N, labels)"""
    frames: NDArray[np.intp]
    """(N,): the frames of each clip that the model ran on."""
    output: str = "logits"
    """The kind of the scores: "logits" or "probabilities"."""
    inputs: tuple[SignatureInputs, ...] = ()
    """The inputs of the signature that ran each clip; only of a .tflite."""

    @property
    def probabilities(self) -> NDArray[np.floating]:
        """(N, labels)"""
        from signbart_port.data.model_interface import softmax

        return self.scores if self.output == "probabilities" else softmax(self.scores)

    def check_finite(self, path: Path) -> None:
        """Raise PortError for a model that gives NaN or infinity: it has no prediction."""
        import numpy as np

        if not np.isfinite(self.scores).all():
            raise PortError(path, "gives numbers that are not finite")


@dataclass(frozen=True)
class SignatureRun:
    """The outputs of a signature for prepared clips."""

    outputs: NDArray[np.float32]
    """(N, labels)"""
    milliseconds: float
    """The median time of one clip on one thread; NaN where it was not measured."""


class Inference:
    """A model file at work in a process of its own.

    A context manager: leaving it lets the process go. One `send`, then one `outputs`.
    """

    def __init__(self, path: Path, kind: ModelKind) -> None:
        self._path, self._kind = path, kind
        self._frames: NDArray[np.intp] | None = None
        # A .tflite may leave its process in any state: no other file is run there.
        program = str(path.absolute()) if kind is ModelKind.TFLITE else ""
        self._lent = lent(_WORKERS[kind], program=program)
        self._worker = self._lent.__enter__()

    def __enter__(self) -> Inference:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lent.__exit__(kind, error, traceback)

    def send(
        self,
        clips: Sequence[NDArray[Any]],
        paths: Sequence[Path],
        model: WeightFile | None = None,
        form: ClipFormat = AS_STORED,
    ) -> None:
        """Hand over raw clips (T, K, 2 or more) of this format, and for a checkpoint or a model.h5
        the opened file.

        Raises PortError for a clip that does not fit, by its path: of a .tflite, `outputs` does.
        """
        if model is None:
            arrays = {str(number): clip for number, clip in enumerate(clips)}
            self._send_tflite(TFLiteJob(self._path, tuple(paths), form), arrays)
            return
        from signbart_port.inference.batches import batches, frames_read, to_arrays

        made = batches(model.config, clips, paths, form)
        config = model.config.model_dump(exclude={"training"})
        weights = {f"{WEIGHTS}{name}": array for name, array in weights_of(model).items()}
        self._frames = frames_read(model.config, clips)
        limits = Limits(_FRAMEWORK_SECONDS)
        self._worker.send(FrameworkJob(config, len(made)), limits, weights | to_arrays(made))

    def outputs(self) -> Outputs:
        """Wait for the outputs.

        Raises PortError for a file that cannot be run.
        """
        answer = self._answer()
        if self._frames is not None:
            return Outputs(answer.arrays["logits"], self._frames)
        import numpy as np

        from signbart_port.tflite.runner import SignatureInputs

        result, arrays = answer.read(TFLiteResult), answer.arrays
        inputs = tuple(
            SignatureInputs(signature, arrays[f"{n}.keypoints"], arrays[f"{n}.attention_mask"])
            for n, signature in enumerate(result.signatures)
        )
        scores = np.stack([arrays[f"{n}.scores"] for n in range(len(inputs))])
        frames = np.array([one.attention_mask.shape[1] for one in inputs])
        frames = frames if result.sampled_to is None else frames.clip(max=result.sampled_to)
        return Outputs(scores, frames, result.output, inputs)

    def run_prepared(self, signature: str, inputs: Inputs, *, timed: bool) -> SignatureRun:
        """Run prepared clips through a signature of a .tflite."""
        job = TFLiteJob(self._path, signature=signature, timed=timed)
        self._send_tflite(job, inputs.arrays())
        answer = self._answer()
        milliseconds = answer.read(TFLiteResult).milliseconds
        return SignatureRun(
            answer.arrays["scores"], float("nan") if milliseconds is None else milliseconds
        )

    def _send_tflite(self, job: TFLiteJob, arrays: dict[str, Any]) -> None:
        try:
            size = self._path.stat().st_size
        except OSError:
            size = 0  # the worker says what is wrong
        self._worker.send(job, Limits(_TFLITE_SECONDS, _TFLITE_MEMORY * size), arrays)

    def _answer(self) -> Answer:
        try:
            return self._worker.answer()
        except WorkerFailed as failed:
            raise failed.error(self._path, _CANNOT[self._kind]) from None


def run(file: TFLiteFile, inputs: Inputs, *, timed: bool = False) -> SignatureRun:
    """Run prepared clips through a file's signature, one at a time.

    Raises PortError where the interpreter refuses the file.
    """
    with Inference(file.path, ModelKind.TFLITE) as inference:
        return inference.run_prepared(file.signature, inputs, timed=timed)


def weights_of(model: WeightFile) -> dict[str, NDArray[Any]]:
    """Return the weights that the worker of a checkpoint or a model.h5 takes, in float32."""
    if model.kind is ModelKind.KERAS:
        return dict(model.keras_tensors)
    import numpy as np

    return {name: np.array(one, np.float32) for name, one in model.reference_tensors.items()}
