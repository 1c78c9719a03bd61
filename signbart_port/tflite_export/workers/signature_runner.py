"""Any signature of a .tflite on arrays, in a process of its own: a damaged file can crash it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

import numpy as np

from signbart_port.system.serving import Arrays, Result, serve
from signbart_port.tflite import quantized_io
from signbart_port.tflite_export.pair_conversion import SignatureJob, SignatureResult

_TIMED_RUNS = 30


def _run(job: SignatureJob, arrays: Arrays) -> Result:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(job.model), num_threads=1).get_signature_runner(job.signature)
    takes, gives = runner.get_input_details(), runner.get_output_details()
    turns = list(examples_of(arrays, takes))
    made: dict[str, list[Any]] = {name: [] for name in gives}
    for turn in turns:
        given = {
            name: quantized_io.quantize(array, takes[name]) if _scaled(takes[name]) else array
            for name, array in turn.items()
        }
        outputs = runner(**given)
        for name, details in gives.items():
            output = outputs[name]
            made[name].append(
                quantized_io.dequantize(output, details) if _scaled(details) else output
            )
    times = []
    for _ in range(_TIMED_RUNS if job.timed else 0):
        start = time.perf_counter()
        runner(**given)
        times.append(time.perf_counter() - start)
    joined = {name: _joined(parts) for name, parts in made.items()}
    return SignatureResult(1e3 * median(times) if times else None), joined


def examples_of(arrays: Arrays, takes: Mapping[str, Any]) -> Iterator[Arrays]:
    """Yield the inputs of each run: one example after the other where a signature takes one."""
    one_by_one = {
        name: array.ndim > 0 and takes[name]["shape_signature"][0] == 1
        for name, array in arrays.items()
    }
    count = max((len(arrays[name]) for name, each in one_by_one.items() if each), default=1)
    for turn in range(count):
        yield {
            name: array[turn : turn + 1] if one_by_one[name] and len(array) > 1 else array
            for name, array in arrays.items()
        }


def _scaled(details: quantized_io.Details) -> bool:
    """Return whether an input or output holds integers that stand for floats."""
    return bool(details["quantization"][0])


def _joined(parts: list[Any]) -> Any:
    return np.concatenate(parts) if parts[0].ndim else np.stack(parts)


if __name__ == "__main__":
    serve(SignatureJob, _run, framework="ai_edge_litert.interpreter", memory=4 << 30)
