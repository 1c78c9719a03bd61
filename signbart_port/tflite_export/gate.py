"""Real clips through PyTorch, Keras and an emitted .tflite: what the file costs in accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.config import SignBartConfig
from signbart_port.data.clips import RealClips
from signbart_port.data.model_inputs import Inputs
from signbart_port.data.model_interface import Interface, longest_clip, of_model
from signbart_port.inference.batches import batches_of, logits
from signbart_port.inference.logits import run as run_file
from signbart_port.metrics.accuracy import Accuracy
from signbart_port.tflite.model_file import TFLiteFile
from signbart_port.tflite.modes import Gate


def keras_inputs(clips: RealClips, config: SignBartConfig) -> Inputs:
    """Return the clips as the Keras model reads them."""
    return clips.inputs(of_model(config), config, longest_clip(config))


def keras_logits(model: Any, inputs: Inputs) -> NDArray[np.floating]:
    """Run a Keras model of this process: (N, labels)."""

    def run(keypoints: NDArray[np.float32], mask: NDArray[np.float32]) -> NDArray[np.floating]:
        return np.asarray(model(keypoints, mask, training=False))

    return logits(run, batches_of(inputs))


def file_outputs(
    files: Sequence[TFLiteFile], clips: RealClips, interface: Interface, config: SignBartConfig
) -> NDArray[np.floating]:
    """Return the outputs of a file, (N, labels), for each clip by the shortest signature that takes
    it."""
    by_frames = {file.frames: file for file in files}
    lengths = [frames for frames in by_frames if frames] or [longest_clip(config)]
    if interface.sampled_to is not None:  # without a mask, nothing can be padded
        lengths = sorted({*clips.frames})
    outputs = np.empty((len(clips.entries), files[0].labels), np.float32)
    for length, indices in clips.by_length(lengths):
        file = by_frames.get(length, files[0])
        inputs = clips.pick(indices).inputs(interface, config, length, length)
        outputs[indices] = run_file(file, inputs).outputs
    return outputs


def shortfall(accuracy: Accuracy, gate: Gate) -> str | None:
    """Return how a file falls short of its gate; None if it passes."""
    reference, candidate = accuracy.reference.model, accuracy.candidate
    if candidate.agreement < gate.min_agreement:
        return (
            f"agrees with {reference} on {candidate.agreement:.1%} of {accuracy.clips} clips;"
            f" at least {gate.min_agreement:.1%} is required"
        )
    if accuracy.drop > gate.max_drop:
        return (
            f"loses {accuracy.drop:.1f} points of top-1 accuracy against {reference} on"
            f" {accuracy.clips} clips, more than {gate.max_drop:.1f}"
        )
    return None
