"""model.h5 to a .tflite, proven against the Keras model before it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from signbart_port import h5, kinds, output
from signbart_port.config import SignBartConfig
from signbart_port.data.preprocessing import MOST_FRAMES
from signbart_port.errors import PortError, ProofError
from signbart_port.parity.compare import LOGITS, largest_difference
from signbart_port.parity.inputs import Inputs, make_for
from signbart_port.parity.proof import Record, Recorded, judge
from signbart_port.parity.report import Report
from signbart_port.parity.tolerances import Precision
from signbart_port.quiet import quiet
from signbart_port.tflite import flatbuffer, weights
from signbart_port.tflite.graph import GraphProof, with_graph
from signbart_port.tflite.run import Run, run

_VARIABLE_OPERATORS = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE")


class Quantization(Enum):
    """How a .tflite keeps its weights."""

    NONE = "none"
    FLOAT16 = "float16"
    DYNAMIC = "dynamic"

    @property
    def precision(self) -> Precision:
        return Precision.FLOAT32 if self is Quantization.NONE else Precision(self.value)


@dataclass(frozen=True)
class Emitted:
    """What `to_tflite` wrote: one report a number of frames, the time of one clip of `frames`
    frames."""

    out: Path
    config: SignBartConfig
    quantization: Quantization
    file: flatbuffer.TFLiteFile
    reports: tuple[Report, ...]
    source_proven: bool
    frames: int
    milliseconds: float


def to_tflite(
    path: str | Path,
    out: str | Path | None = None,
    *,
    quantization: Quantization | str = Quantization.NONE,
    frames: int | None = None,
    dynamic_frames: bool = False,
    force: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> Emitted:
    """Write the SignBART of model.h5 as a .tflite: one clip at a time, builtin operators only.

    The signature `serving_default` takes `keypoints` (1, frames, K, 2) and `attention_mask` (1,
    frames) and gives `logits` (1, num_labels); with `dynamic_frames` the number of frames is set at
    run time. Raises PortError for input that cannot be used, ProofError where the file disagrees
    with Keras.
    """
    path = Path(path)
    kinds.expect(path, kinds.ModelKind.KERAS)
    out = path.with_suffix(".tflite") if out is None else Path(out)
    if out.suffix != ".tflite":
        raise PortError(out, "the file is written as .tflite", "Name it like model.tflite")
    quantization = _known(quantization)
    output.check(out, force=force, inputs=(path,))
    progress("Reading the Keras model")
    file = h5.read(path)
    longest = file.config.max_position_embeddings
    frames = min(MOST_FRAMES, longest) if frames is None else frames
    if not 1 <= frames <= longest:
        raise PortError(path, f"takes 1 to {longest} frames, not {frames}", "Give another --frames")
    checked = sorted({1, min(17, longest), frames, longest}) if dynamic_frames else [frames]
    clips = {n: make_for(file.config, n) for n in checked}
    with output.replacing(out, force=force, inputs=(path,)) as temp, quiet():
        progress("Importing TensorFlow")
        from signbart_port.keras_model.weights import build

        progress("Running Keras")
        model, exact = build(file), build(file, "float64")
        truths = {n: _truth(model, exact, inputs) for n, inputs in clips.items()}
        progress("Converting")
        temp.write_bytes(_converted(model, quantization, None if dynamic_frames else frames))
        progress("Running the file")
        try:
            emitted = flatbuffer.read(temp)
            _refuse_wrong_graph(path, emitted, quantization)
            runs = {n: run(temp, inputs) for n, inputs in clips.items()}
            reports = _proof((path.name, out.name), file, exact, emitted, clips, truths, runs)
        except PortError as error:
            if error.path != temp:
                raise
            # The input is good: what the converter made of it is not.
            raise ProofError(f"{path}: the .tflite made of it {error.what}") from None
        for report in reports:
            if not report.passed:
                raise ProofError(f"{path}: the .tflite is NOT EQUAL, {report.verdict()}")
    return Emitted(
        out,
        file.config,
        quantization,
        emitted,
        reports,
        file.proven,
        frames,
        runs[frames].milliseconds,
    )


def _known(quantization: Quantization | str) -> Quantization:
    try:
        return Quantization(quantization)
    except ValueError:
        known = ", ".join(q.value for q in Quantization)
        raise PortError(
            None, f"quantization {quantization!r} is not available", f"Available: {known}"
        ) from None


def _truth(model: Any, exact: Any, inputs: Inputs) -> Recorded:
    """Keras in float64, and how far Keras in float32 is from it."""
    float32, float64 = (
        np.asarray(m(inputs.keypoints, inputs.attention_mask, training=False))
        for m in (model, exact)
    )
    noise = largest_difference(float32, float64, inputs.classified)
    return Recorded({LOGITS: float64}, {LOGITS: noise})


def _converted(model: Any, quantization: Quantization, frames: int | None) -> bytes:
    import tensorflow as tf

    config: SignBartConfig = model.config
    signature = [
        tf.TensorSpec((1, frames, config.keypoints, 2), tf.float32, name="keypoints"),
        tf.TensorSpec((1, frames), tf.float32, name="attention_mask"),
    ]

    @tf.function(input_signature=signature)
    def classify(keypoints: Any, attention_mask: Any) -> dict[str, Any]:
        return {"logits": model.classify(keypoints, attention_mask)}

    # The converter freezes the variables of a tf.Module; a Keras model's it would leave behind.
    module = tf.Module()
    module.variables_of_model = [variable.value for variable in model.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [classify.get_concrete_function()], module
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantization is not Quantization.NONE:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization is Quantization.FLOAT16:
        converter.target_spec.supported_types = [tf.float16]
    data: bytes = converter.convert()
    return data


def _refuse_wrong_graph(
    path: Path, emitted: flatbuffer.TFLiteFile, quantization: Quantization
) -> None:
    """What a converter may do wrong without an error: see that it did not."""
    wrong = [o for o in emitted.ops if o.startswith("custom:") or o in _VARIABLE_OPERATORS]
    if wrong:
        raise ProofError(f"{path}: the converter left {', '.join(wrong)} in the graph")
    if emitted.precision is not quantization.precision:
        raise ProofError(
            f"{path}: asked for {quantization.value}, the converter wrote {emitted.precision.value}"
        )


def _proof(
    names: tuple[str, str],
    file: h5.KerasFile,
    exact: Any,
    emitted: flatbuffer.TFLiteFile,
    clips: Mapping[int, Inputs],
    truths: Mapping[int, Recorded],
    runs: Mapping[int, Run],
) -> tuple[Report, ...]:
    """The weights that the file has, what it computes, and where they are rounded its graph.

    A report for each number of frames. `exact`, the Keras model in float64, is given other weights.
    """
    compared = weights.compare(emitted, file.config, file.tensors)
    reports = {
        n: judge(
            names,
            truths[n],
            [LOGITS],
            inputs,
            partial(_record, runs[n]),
            emitted.precision,
            weights=compared,
        )
        for n, inputs in clips.items()
    }
    if emitted.precision is not Precision.FLOAT32:
        graph = GraphProof(emitted, file.config, file.tensors, exact)
        for n, inputs in clips.items():
            row = graph.row(inputs, truths[n].noise[LOGITS], runs[n].logits)
            reports[n] = with_graph(reports[n], row)
    return tuple(reports.values())


def _record(result: Run, record: Record) -> None:
    record(LOGITS, result.logits)
