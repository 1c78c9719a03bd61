"""Who classifies clips: the .tflite files of this program, and its peers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench_turns import CLI, Failed, run
from signbart_port import config as configs
from signbart_port.tflite import quantized_io
from signbart_port.tflite.modes import Quantization

Floats = NDArray[np.float32]
Classify = Callable[[Floats, Floats], Floats]
"""Keypoints (1, T, K, 2) and attention mask (1, T) to logits (1, labels)."""

FLOAT32, DYNAMIC = "float32", "dynamic"
_EXPORT = [sys.executable, str(Path(__file__).with_name("bench_export_peer.py"))]


@dataclass(frozen=True)
class Runner:
    """Something that classifies clips.

    `precision` is that of the peers it is held against; `file` is what it runs; `start` opens it
    with so many threads.
    """

    name: str
    precision: str
    ours: bool
    file: Path
    start: Callable[[Path, int], Classify]


@dataclass(frozen=True)
class Peer:
    """Another way to run a checkpoint: `exported` is how `bench_export_peer.py` calls its format
    (None: it runs the checkpoint itself), `modules` what it imports."""

    name: str
    precision: str
    modules: tuple[str, ...]
    exported: str | None
    start: Callable[[Path, int], Classify]

    @property
    def missing(self) -> tuple[str, ...]:
        """The modules that are not installed."""
        return tuple(module for module in self.modules if find_spec(module) is None)

    def command(self, checkpoint: Path, frames: int) -> tuple[list[str], Path]:
        """Return the command that exports a checkpoint, and the file that it writes."""
        assert self.exported is not None
        suffix = ".onnx" if self.exported == "onnx" else ".tflite"
        out = checkpoint.with_name(f"{self.exported}-{frames}{suffix}")
        return [*_EXPORT, self.exported, str(checkpoint), str(out), str(frames)], out

    def runner(self, checkpoint: Path, frames: int) -> Runner:
        """Return the runner. Raises Failed if it is not available."""
        if self.missing:
            raise Failed(f"{' and '.join(self.missing)} not installed (the extra `peers` has it)")
        file = checkpoint
        if self.exported is not None:
            command, file = self.command(checkpoint, frames)
            if not file.exists():
                run(command)
        return Runner(self.name, self.precision, False, file, self.start)


def _eager(checkpoint: Path, threads: int) -> Classify:
    return _torch(_module(checkpoint), threads)


def _compiled(checkpoint: Path, threads: int) -> Classify:
    import torch

    return _torch(torch.compile(_module(checkpoint)), threads)


def _module(checkpoint: Path) -> Any:
    import torch

    from pt_reference import SignBart

    model = SignBart(configs.load(checkpoint.with_suffix(".yaml"))).eval()
    model.load_state_dict(torch.load(checkpoint, weights_only=True), strict=True)
    return model


def _torch(model: Any, threads: int) -> Classify:
    import torch

    torch.set_num_threads(threads)

    def classify(keypoints: Floats, mask: Floats) -> Floats:
        with torch.inference_mode():
            logits: Floats = model(torch.from_numpy(keypoints), torch.from_numpy(mask))[1].numpy()
        return logits

    return classify


def _onnx(file: Path, threads: int) -> Classify:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def classify(keypoints: Floats, mask: Floats) -> Floats:
        logits: Floats = session.run(None, {"keypoints": keypoints, "attention_mask": mask})[0]
        return logits

    return classify


def tflite(file: Path, threads: int) -> Classify:
    """Run each clip by the signature that takes as many frames."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file), num_threads=threads)
    by_frames = {}
    for name in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(name)
        wanted = runner.get_input_details()
        ((output, made),) = runner.get_output_details().items()
        by_frames[int(wanted["keypoints"]["shape"][1])] = (runner, wanted, output, made)

    def classify(keypoints: Floats, mask: Floats) -> Floats:
        runner, wanted, output, made = by_frames[keypoints.shape[1]]
        outputs = runner(
            keypoints=quantized_io.quantize(keypoints, wanted["keypoints"]),
            attention_mask=quantized_io.quantize(mask, wanted["attention_mask"]),
        )
        return quantized_io.dequantize(outputs[output], made)

    return classify


EAGER = Peer("PyTorch eager", FLOAT32, ("torch",), None, _eager)
PEERS = (
    EAGER,
    Peer("torch.compile", FLOAT32, ("torch",), None, _compiled),
    Peer("ONNX Runtime", FLOAT32, ("onnxruntime", "onnxscript"), "onnx", _onnx),
    Peer("litert-torch", FLOAT32, ("litert_torch",), "litert", tflite),
    Peer("litert-torch dynamic", DYNAMIC, ("litert_torch",), "litert-dynamic", tflite),
)


def emission(
    checkpoint: Path, mode: Quantization, frames: Sequence[int], data: Path | None
) -> tuple[list[str], Path]:
    """Return the command that writes our .tflite of a mode from the model.h5 beside a checkpoint,
    and the file.

    Raises Failed where the mode needs a dataset and there is none.
    """
    lengths = ",".join(map(str, frames))
    out = checkpoint.with_name(f"{mode.value}-{lengths}.tflite")
    command = [*CLI, "tflite", str(checkpoint.with_suffix(".h5")), "--out", str(out), "--force"]
    command += ["--quiet", "--quantization", mode.value, "--frames", lengths]
    if mode.calibrated:
        if data is None:
            raise Failed("needs real clips (--data)")
        command += ["--calibration", str(data)]
    return command, out


def ours(
    checkpoint: Path, mode: Quantization, frames: Sequence[int], data: Path | None = None
) -> Runner:
    """Return our runner. Raises Failed if the mode is not available."""
    command, out = emission(checkpoint, mode, frames, data)
    if not out.exists():
        run(command)
    floats = mode in (Quantization.NONE, Quantization.FLOAT16)
    return Runner(f"tflite {mode.value}", FLOAT32 if floats else DYNAMIC, True, out, tflite)


def available(
    attempts: Mapping[str, Callable[[], Runner]], say: Callable[[str], None]
) -> Iterator[Runner]:
    """Yield the available runners; say why each of the others is not."""
    for name, attempt in attempts.items():
        try:
            yield attempt()
        except Failed as reason:
            say(f"{name}: skipped, {reason}")
