"""A model to a .tflite, proven against the Keras model before it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from signbart_port.hub.address import named_for_outputs
from signbart_port.model_files import in_memory
from signbart_port.model_files.config_resolution import Options
from signbart_port.model_files.in_memory import ModelSource
from signbart_port.model_files.local_weights import local_weights
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export.request import TFLiteOptions
from signbart_port.verbs._tflite_files import TAKES, Emitted, TFLiteFiles, default_name, outputs

__all__ = ["Emitted", "TFLiteFiles", "default_name", "outputs", "to_tflite"]


def to_tflite(
    path: ModelSource,
    out: str | Path | None = None,
    *,
    quantization: Quantization | str = Quantization.NONE,
    frames: int | Sequence[int] | None = None,
    dynamic_frames: bool = False,
    preprocessing: bool = False,
    skeleton: int | str | None = None,
    frame_size: str | Sequence[int] | None = None,
    softmax: bool = False,
    contract: str | None = None,
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
    mapping: str | Path | None = None,
    progress: ProgressCallback = no_progress,
) -> Emitted:
    """Write the SignBART of a model's file as a .tflite that classifies one clip at a time.

    A checkpoint is converted to Keras first, and the two proven equal, as `convert` does.

    The file has builtin operators only. The signature `serving_default`, for the longest clips,
    takes `keypoints` (1, frames, K, 2) and `attention_mask` (1, frames) and gives `logits`
    (1, num_labels), or `probabilities`; `frames_16` and the like take shorter clips. Nothing is
    written unless the file computes what Keras does and passes its gate on real clips.

    Args:
        path: A model.h5, model.keras or model.weights.h5, or a checkpoint; or a Keras model, a
            PyTorch module or a state dict.
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
        contract: "gislr": the interface of Kaggle's competitions of isolated signs, `inputs`
            (T, 543, 3) with NaN for missing points, and `outputs` (num_labels,). Preparation and
            frames of any number are part of it. Default: the interface above.
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
        options: The config of a file that does not hold one: a config file or the name of a
            published one, heads, joints, layout. Default: what the files themselves tell.
        mapping: The names of a checkpoint's tensors: a mapping file, or a mapping that comes with
            this program by its name, such as "hf-bart". Default: SignBART's own names.
        progress: Called with the name of each step as it begins.

    Returns:
        Where the file was written, its signatures, the reports of its proof, and its accuracy.

    Raises:
        PortError: The input cannot be used, or options are invalid or exclude each other.
        ProofError: The file disagrees with Keras or fails its gate; nothing is written.
    """
    in_memory.check_out(path, out)
    asked = TFLiteOptions(
        frames=frames,
        dynamic_frames=dynamic_frames,
        preprocessing=preprocessing,
        skeleton=skeleton,
        frame_size=frame_size,
        softmax=softmax,
        contract=contract,
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
    with in_memory.files_of(path) as files:
        file = local_weights(files.paths[0], TAKES, progress)
        (to,) = outputs(named_for_outputs(files.paths[0], file), out, [quantization])
        with TFLiteFiles(file, asked, options, mapping, force=force) as made:
            done = made.emit(quantization, to, progress)
        return replace(
            done,
            reports=tuple(map(files.report, done.reports)),
            cautions=tuple(map(files.named, (*done.cautions, *files.notes))),
        )
