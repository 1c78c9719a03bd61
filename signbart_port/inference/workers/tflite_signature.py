"""Run a .tflite, in a process of its own: a damaged file can crash the interpreter, not us."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from math import nan
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from signbart_port.data.model_inputs import Inputs, load_inputs, save_inputs
from signbart_port.errors import PortError
from signbart_port.system import processes
from signbart_port.tflite import quantized_io
from signbart_port.tflite.model_file import TFLiteFile

_SECONDS = 600
_IMPORT_BYTES = 4 * 2**30  # address space of the interpreter and its work
_TIMED_RUNS = 30


@dataclass(frozen=True)
class Run:
    """What came out, (N, labels), and the median time of one clip on one thread, in milliseconds
    (NaN where it was not measured)."""

    outputs: NDArray[np.float32]
    milliseconds: float


def run(file: TFLiteFile, inputs: Inputs, *, timed: bool = False) -> Run:
    """Run every clip through a file's signature, one at a time.

    Raises PortError where the interpreter refuses the file.
    """
    with processes.blaming_scratch(), processes.new_folder() as name:
        folder = Path(name)
        save_inputs(folder, inputs)
        try:
            process = subprocess.run(
                processes.command(
                    __name__, file.path.resolve(), file.signature, folder, str(int(timed))
                ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise PortError(file.path, f"did not run in {_SECONDS} s") from None
        if process.returncode != 0:
            reason = process.stderr.strip().rpartition("\n")[2]
            raise PortError(
                file.path, f"the LiteRT interpreter cannot run it ({reason or process.returncode})"
            )
        milliseconds = json.loads((folder / "time.json").read_text())
        return Run(np.load(folder / "outputs.npy"), milliseconds)


def _main(path: str, signature: str, folder: Path, timed: bool) -> None:
    processes.limit_memory(_IMPORT_BYTES + 20 * Path(path).stat().st_size)
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(path, num_threads=1).get_signature_runner(signature)
    wanted, made = runner.get_input_details(), runner.get_output_details()
    output = next(iter(made))
    inputs = load_inputs(folder)
    clips = [
        {
            "keypoints": quantized_io.fed(k[None], wanted["keypoints"]),
            "attention_mask": quantized_io.fed(m[None], wanted["attention_mask"]),
        }
        for k, m in zip(inputs.keypoints, inputs.attention_mask, strict=True)
    ]
    outputs = [quantized_io.given(runner(**clip)[output], made[output]) for clip in clips]
    np.save(folder / "outputs.npy", np.concatenate(outputs))
    times = []
    for _ in range(_TIMED_RUNS if timed else 0):
        start = time.perf_counter()
        runner(**clips[0])
        times.append(time.perf_counter() - start)
    (folder / "time.json").write_text(json.dumps(1e3 * median(times or [nan])))


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4] == "1")
