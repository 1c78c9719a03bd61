"""A .tflite on clips, in a process of its own: a damaged file can crash the interpreter."""

from __future__ import annotations

import time
from statistics import median

import numpy as np

from signbart_port.data.model_inputs import Inputs
from signbart_port.errors import PortError
from signbart_port.inference.jobs import TFLiteJob, TFLiteResult
from signbart_port.system.serving import Arrays, Result, serve
from signbart_port.tflite import quantized_io
from signbart_port.tflite.arguments import arguments
from signbart_port.tflite.runner import Runner

_TIMED_RUNS = 30


def _run(job: TFLiteJob, arrays: Arrays) -> Result:
    if job.signature is None:
        return _raw(job, arrays)
    return _prepared(job, job.signature, Inputs.from_arrays(arrays))


def _raw(job: TFLiteJob, arrays: Arrays) -> Result:
    """Run each clip by the signature that fits it."""
    runner = Runner(job.model)
    outputs, signatures = {}, []
    for number, path in enumerate(job.clips):
        try:
            inputs = runner.prepare(arrays[str(number)], job.form)
        except ValueError as error:
            raise PortError(path, str(error)) from None
        signatures.append(inputs.signature)
        outputs[f"{number}.keypoints"] = inputs.keypoints
        outputs[f"{number}.attention_mask"] = inputs.attention_mask
        outputs[f"{number}.scores"] = runner.run(inputs)
    sampled_to = runner.card.interface_of(job.model).sampled_to
    return TFLiteResult(runner.card.output, tuple(signatures), sampled_to), outputs


def _prepared(job: TFLiteJob, signature: str, inputs: Inputs) -> Result:
    """Run every clip through one signature, one at a time."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(job.model), num_threads=1).get_signature_runner(signature)
    wanted, made = runner.get_input_details(), runner.get_output_details()
    output = next(iter(made))
    clips = [
        arguments(*clip, wanted)
        for clip in zip(inputs.keypoints, inputs.attention_mask, strict=True)
    ]
    scores = [
        np.atleast_2d(quantized_io.dequantize(runner(**clip)[output], made[output]))
        for clip in clips
    ]
    times = []
    for _ in range(_TIMED_RUNS if job.timed else 0):
        start = time.perf_counter()
        runner(**clips[0])
        times.append(time.perf_counter() - start)
    milliseconds = 1e3 * median(times) if times else None
    return TFLiteResult(output, milliseconds=milliseconds), {"scores": np.concatenate(scores)}


if __name__ == "__main__":
    serve(TFLiteJob, _run, framework="ai_edge_litert.interpreter", memory=4 << 30)
