"""What conversion and inference cost, as ratios measured side by side in one run.

    python tools/bench.py [--rounds N] [--only convert|verify|latency]

convert: the whole command with its proof against the bare `import torch, tensorflow`, and the peak
memory of its larger process, the one with TensorFlow, against that of its imports alone. verify:
the whole command, every module compared in the run and alone, against importing both frameworks and
running the same clips in PyTorch once in float64 and once in float32. latency: the emitted .tflite
against PyTorch eager, one thread, 64 frames. Rounds alternate, medians are printed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from signbart_port import config as configs
from signbart_port.config import SignBartConfig

CLI = [sys.executable, "-c", "from signbart_port.cli import main; main()"]
BOTH = [sys.executable, "-c", "import torch, tensorflow"]
LARGER = [sys.executable, "-c", "import typer, signbart_port.conversion, signbart_port.keras_model"]
FORWARD = [sys.executable, str(Path(__file__).with_name("forward.py"))]
FRAMES = 64


def sizes() -> dict[str, SignBartConfig]:
    """A small, a middle and a large model: 0.7, 4.4 and 27 million parameters."""
    large = {"d_model": 512, "encoder_layers": 3, "decoder_layers": 4, "num_labels": 2000}
    ffn = {"encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048}
    return {
        "LSA-64": configs.named("lsa-64"),
        "WLASL-2000": configs.named("wlasl-2000"),
        "100 MB": configs.named("lsa-64").replace(**large, **ffn),
    }


def make_checkpoint(folder: Path, config: SignBartConfig) -> Path:
    """A random checkpoint with its config beside it, written by PyTorch in a process of its own."""
    path = folder / "model.pth"
    code = (
        "import sys, json, torch; from pt_reference import SignBart; torch.manual_seed(0);"
        "torch.save(SignBart(json.loads(sys.argv[1])).state_dict(), sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", code, config.model_dump_json(), str(path)], check=True)
    path.with_suffix(".yaml").write_text(config.model_dump_json())  # JSON is YAML
    return path


def run(command: list[str]) -> tuple[float, int]:
    """Seconds, and the peak memory in bytes of the largest process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def bench_convert(name: str, checkpoint: Path, rounds: int, table: Table) -> None:
    out = checkpoint.with_suffix(".h5")
    command = [*CLI, "convert", str(checkpoint), "--out", str(out), "--force", "--quiet"]
    base = run(LARGER)[1]
    run(BOTH), run(command)  # fills the disk cache
    bare, whole = zip(*((run(BOTH), run(command)) for _ in range(rounds)), strict=True)
    seconds = [median(r[0] for r in runs) for runs in (bare, whole)]
    peak = max(r[1] for r in whole)
    size = checkpoint.stat().st_size
    table.add_row(
        name,
        f"{size / 1e6:.1f} MB",
        f"{seconds[0]:.2f} s",
        f"{seconds[1]:.2f} s",
        f"{seconds[1] / seconds[0]:.2f}",
        f"{base / 2**20:.0f} MiB",
        f"{peak / 2**20:.0f} MiB",
        f"{(peak - base) / size:.2f}",
    )


def bench_verify(name: str, checkpoint: Path, rounds: int, table: Table) -> None:
    command = [*CLI, "verify", str(checkpoint), str(checkpoint.with_suffix(".h5")), "--quiet"]
    bare_command = [*FORWARD, str(checkpoint)]
    run(bare_command), run(command)  # fills the disk cache
    bare, whole = zip(*((run(bare_command), run(command)) for _ in range(rounds)), strict=True)
    seconds = [median(r[0] for r in runs) for runs in (bare, whole)]
    row = (f"{seconds[0]:.2f} s", f"{seconds[1]:.2f} s", f"{seconds[1] / seconds[0]:.2f}")
    table.add_row(name, *row)


def bench_latency(name: str, checkpoint: Path, rounds: int, table: Table) -> None:
    """In this process: PyTorch eager and every .tflite take turns."""
    import numpy as np
    import torch
    from ai_edge_litert.interpreter import Interpreter

    from pt_reference import SignBart
    from signbart_port.parity.inputs import make_for

    keras = checkpoint.with_suffix(".h5")
    config = configs.load(checkpoint.with_suffix(".yaml"))
    inputs = make_for(config, FRAMES)
    clip = {"keypoints": inputs.keypoints[:1], "attention_mask": inputs.attention_mask[:1]}
    torch.set_num_threads(1)
    model = SignBart(config).eval()
    model.load_state_dict(torch.load(checkpoint, weights_only=True), strict=True)
    tensors = [torch.from_numpy(array) for array in clip.values()]

    def eager() -> Any:
        with torch.inference_mode():
            return model(*tensors)

    runners = {"PyTorch eager": eager}
    for mode in ("none", "float16", "dynamic"):
        path = keras.with_name(f"{mode}.tflite")
        command = [*CLI, "tflite", str(keras), "--out", str(path), "--force", "--quiet"]
        run([*command, "--quantization", mode, "--frames", str(FRAMES)])
        interpreter = Interpreter(str(path), num_threads=1)
        interpreter.allocate_tensors()
        for detail in interpreter.get_input_details():
            given = clip["keypoints" if len(detail["shape"]) == 4 else "attention_mask"]
            interpreter.set_tensor(detail["index"], np.ascontiguousarray(given))
        runners[f"tflite {mode}"] = interpreter.invoke
    times: dict[str, list[float]] = {runner: [] for runner in runners}
    for _ in range(rounds):
        for runner, call in runners.items():
            start = time.perf_counter()
            call()
            times[runner].append(time.perf_counter() - start)
    medians = {runner: 1e3 * median(spent) for runner, spent in times.items()}
    for runner, milliseconds in medians.items():
        ratio = medians["PyTorch eager"] / milliseconds
        table.add_row(name, runner, f"{milliseconds:.2f} ms", f"{ratio:.2f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["convert", "verify", "latency"])
    arguments = parser.parse_args()
    convert = Table("model", "checkpoint", "import", "convert", "ratio", title="convert")
    for column in ("imports", "peak", "over it, in checkpoints"):
        convert.add_column(column)
    verify = Table("model", "import and run", "verify", "ratio", title="verify")
    latency = Table("model", "runner", "one clip", "speed", title="latency, one thread, 64 frames")
    with tempfile.TemporaryDirectory() as temp:
        for name, config in sizes().items():
            folder = Path(temp) / name.replace(" ", "-")
            folder.mkdir()
            checkpoint = make_checkpoint(folder, config)
            wanted = {arguments.only} - {None} or {"convert", "verify", "latency"}
            if "convert" in wanted:
                bench_convert(name, checkpoint, arguments.rounds, convert)
            run([*CLI, "convert", str(checkpoint), "--force", "--quiet"])
            if "verify" in wanted:
                bench_verify(name, checkpoint, arguments.rounds, verify)
            if "latency" in wanted:
                bench_latency(name, checkpoint, 20 * arguments.rounds, latency)
    console = Console()
    for table in (convert, verify, latency):
        if table.row_count:
            console.print(table)


if __name__ == "__main__":
    main()
