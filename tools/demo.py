"""The demo: convert the sample checkpoint, then classify its clips with all three frameworks.

    python tools/demo.py

Writes to `demo_output/`; exits 1 where PyTorch, Keras and TFLite disagree. The signs are synthetic.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from signbart_port.data.labels import read_labels
from signbart_port.data.preprocessing import MOST_FRAMES, Floats, pad, prepare
from signbart_port.system.stderr import silenced_stderr

ROOT = Path(__file__).parents[1]
SAMPLES, OUT = ROOT / "samples", ROOT / "demo_output"
CHECKPOINT = SAMPLES / "synthetic-signs.pth"
KERAS, TFLITE = OUT / "model.h5", OUT / "model.tflite"
CLOSE = 1e-4  # logits that a person would call equal; `convert` and `tflite` have proven more


def pytorch(keypoints: Floats, mask: Floats) -> Floats:
    """Turn clips (N, T, 75, 2) and their masks (N, T) into logits (N, labels), as the next two
    do."""
    import torch

    from pt_reference import SignBart

    checkpoint = torch.load(CHECKPOINT, weights_only=True)
    model = SignBart(checkpoint["config"]).eval()
    model.load_state_dict(checkpoint["model"])
    with torch.inference_mode():
        _, logits = model(torch.from_numpy(keypoints), torch.from_numpy(mask))
    return np.asarray(logits)


def keras(keypoints: Floats, mask: Floats) -> Floats:
    from keras.models import load_model  # knows SignBart, as signbart_port is imported

    return np.asarray(load_model(KERAS)(keypoints, mask, training=False))


def tflite(keypoints: Floats, mask: Floats) -> Floats:
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(str(TFLITE)).get_signature_runner("serving_default")
    clips = zip(keypoints, mask, strict=True)
    return np.concatenate(
        [model(keypoints=k[None], attention_mask=m[None])["logits"] for k, m in clips]
    )


FRAMEWORKS = {"PyTorch": pytorch, "Keras": keras, "TFLite": tflite}


def sample_clips() -> tuple[Floats, Floats, list[int]]:
    """Return the sample's clips, prepared and padded, with their masks and labels."""
    with np.load(SAMPLES / "clips.npz") as sample:
        raw = np.split(sample["keypoints"], sample["lengths"].cumsum()[:-1])
        labels = sample["labels"].tolist()
    return *pad([prepare(clip) for clip in raw], MOST_FRAMES), labels


def classify(keypoints: Floats, mask: Floats) -> dict[str, Floats]:
    """Return the logits of every framework, each from a process of its own: they do not mix well in
    one."""
    context = get_context("spawn")
    with ProcessPoolExecutor(len(FRAMEWORKS), context, max_tasks_per_child=1) as pool:
        running = {name: pool.submit(_run, name, keypoints, mask) for name in FRAMEWORKS}
        return {name: logits.result() for name, logits in running.items()}


def _run(name: str, keypoints: Floats, mask: Floats) -> Floats:
    with silenced_stderr():
        return FRAMEWORKS[name](keypoints, mask)


def differences(logits: Mapping[str, Floats]) -> Floats:
    """Return (N,): the largest difference between the logits of two frameworks for each clip."""
    largest: Floats = np.ptp(list(logits.values()), axis=0).max(axis=1)
    return largest


def agree(logits: Mapping[str, Floats]) -> bool:
    """Return whether all give every clip the same sign, by close logits; NaN is close to none."""
    signs = np.argmax(list(logits.values()), axis=2)
    return bool((signs == signs[0]).all() and (differences(logits) < CLOSE).all())


def table(logits: Mapping[str, Floats], labels: list[int]) -> Table:
    """Draw the sign and its probability in every framework, side by side."""
    names = [label.removeprefix("synthetic-") for label in read_labels(SAMPLES / "labels.json")]
    rows = Table(
        "#",
        "true sign",
        *logits,
        "difference",
        title="Held-out clips of synthetic signs, and the largest difference of two logits",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for clip, (label, difference) in enumerate(zip(labels, differences(logits), strict=True)):
        cells = []
        for values in logits.values():
            odds = np.exp(values[clip] - values[clip].max())
            best = int(odds.argmax())
            color = "green" if best == label else "red"
            cells.append(f"[{color}]{names[best]}[/] {odds[best] / odds.sum():.1%}")
        rows.add_row(str(clip + 1), names[label], *cells, f"{difference:.1e}")
    return rows


def signbart_port(*words: str | Path) -> None:
    """Show a command and run it; where it fails, end as it did."""
    command = ["signbart-port", *(str(word).removeprefix(f"{ROOT}/") for word in words)]
    print("\n$", *command, flush=True)
    program = Path(sysconfig.get_path("scripts"), command[0])
    if code := subprocess.run([program, *command[1:]], cwd=ROOT).returncode:
        sys.exit(code)


def main() -> None:
    OUT.mkdir(exist_ok=True)
    signbart_port("convert", CHECKPOINT, "--out", KERAS, "--force")
    signbart_port("tflite", KERAS, "--out", TFLITE, "--force")
    console = Console(highlight=False, soft_wrap=True)
    keypoints, mask, labels = sample_clips()
    with console.status("Classifying the sample's clips with PyTorch, Keras and TFLite"):
        logits = classify(keypoints, mask)
    console.print()
    console.print(table(logits, labels))
    if not agree(logits):
        sys.exit("PyTorch, Keras and TFLite disagree.")
    console.print("PyTorch, Keras and TFLite agree on every clip.")


if __name__ == "__main__":
    main()
