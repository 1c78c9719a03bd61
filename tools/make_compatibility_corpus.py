"""Write a small corpus of every kind of file that the installed program makes.

    python tools/make_compatibility_corpus.py OUT

It is to be run with the program of the version whose files must go on being read, and the folder to
be committed under `tests/data/`. Models are tiny, clips made up. Beside the files, in an archive,
stands what the program gives for them: `expected.npz` and `expected.json`. OUT must not exist.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compatibility import (
    BARE,
    CLIPS,
    FILES,
    KEYPOINTS,
    SYNTH,
    TRAINING,
    Found,
    folder_digest,
    machine,
)

SIGNS, TRAIN, TEST = 4, 26, 6  # made-up signs, and clips of each
CALIBRATED = "--calibration sway"
MODEL: dict[str, Any] = {
    "d_model": 16,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 136,  # most weights are in tensors large enough for TensorFlow to round
    "decoder_layers": 1,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 128,
    "max_position_embeddings": 16,
    "num_labels": SIGNS,
    "keypoint_config": "hands_only",
    "activation_dropout": 0.1,
    "classifier_dropout": 0.1,
}
LEARNED = {"batch_size": 8, "epochs": 8, "learning_rate": 0.003, "scheduler": "constant"}
SMALLER = MODEL | {"d_model": 8, "encoder_ffn_dim": 12, "decoder_ffn_dim": 10}
BEGUN = {"batch_size": 8, "epochs": 1, "learning_rate": 0.003, "save_every": None}
JSONS = (
    "inspect model.pth --tensors --json",
    "inspect bare.pth --json",
    "inspect exported.safetensors --json",
    "inspect model.h5 --tensors --json",
    "inspect plain.h5 --json",
    "inspect training/keras/last.h5 --json",
    "inspect training/torch/last.pth --json",
    "inspect lengths.tflite --json",
    "inspect int8_full.tflite --tensors --json",
    "predict raw.tflite clips/short.npz clips/long.npz --json",
    "plan model.pth --json",
    "data check signs --json",
    "evaluate model.pth lengths.tflite --data signs --json",
)
"""Commands whose JSON is recorded."""


def program(arguments: str, folder: Path) -> str:
    """Run signbart-port in a process of its own, and return what it prints."""
    code = "from signbart_port.cli import main; main()"
    return run([sys.executable, "-c", code, *shlex.split(arguments)], folder)


def run(line: list[str], folder: Path) -> str:
    print("$", *line[1:], file=sys.stderr, flush=True)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        line, cwd=folder, env=environment, check=True, stdout=-1, text=True
    ).stdout


def part(name: str, folder: Path) -> None:
    """Run a part of this file in a process of its own: no two frameworks meet in one."""
    run([sys.executable, str(Path(__file__).resolve()), "--part", name, "."], folder)


def swaying(rng: np.random.Generator, ways: NDArray[np.float64], frames: int) -> NDArray[Any]:
    """Make a noisy clip (frames, 75, 2) of a sign in which every point sways in its own way; some
    are missing. Coordinates are of few digits."""
    center, sway, pace = np.moveaxis(ways, -1, 0)
    time = np.linspace(0, 1, frames)[:, None, None] + rng.random()
    clip = center + sway * np.sin(pace * time) + rng.normal(0, 0.02, (frames, KEYPOINTS, 2))
    clip = np.round(clip.clip(1 / 256, 1) * 256) / 256
    clip[rng.random((frames, KEYPOINTS)) < 0.1] = 0
    rounded: NDArray[np.float32] = clip.astype(np.float32)
    return rounded


def write_swaying(root: Path) -> None:
    """Write a dataset to train and to calibrate on, and the clips of the corpus."""
    rng = np.random.default_rng(0)
    ways = rng.uniform((0.2, 0.02, 1), (0.8, 0.2, 6), (SIGNS, KEYPOINTS, 2, 3))
    for split, count in (("train", TRAIN), ("test", TEST)):
        for sign in range(SIGNS):
            folder = root / "sway" / split / f"sign{sign}"
            folder.mkdir(parents=True)
            for number in range(count):
                clip = swaying(rng, ways[sign], 4 + number % 17)
                named: dict[str, Any] = {"keypoints": clip, "class": f"sign{sign}"}
                np.savez(folder / f"{split}_{sign}_{number}.npz", **named)
    labels = {f"sign{sign}": sign for sign in range(SIGNS)}
    (root / "sway/label2id.json").write_text(json.dumps(labels))
    (root / "clips").mkdir()
    for name, sign, frames in zip(CLIPS, (1, 2), (7, 20), strict=True):
        named = {"keypoints": swaying(rng, ways[sign], frames), "class": f"sign{sign}"}
        np.savez_compressed(root / name, **named)


def torch_files() -> None:
    """Write the state dict of model.pth alone, as .pth and .safetensors, and its config."""
    import torch
    from safetensors.torch import save_file

    saved = torch.load("model.pth", weights_only=True)
    torch.save(saved["model"], BARE[0])
    save_file(saved["model"], BARE[1])
    config = {key: value for key, value in saved["config"].items() if key != "training"}
    Path("bare.yaml").write_text(json.dumps(config, indent=1) + "\n")


def keras_files() -> None:
    """Write the model as Keras saves it, and with the ranges that a simulation of int8 has seen."""
    import signbart_port

    model = signbart_port.load("model.h5")
    model.save("plain.keras")
    model.save("plain.h5")
    simulated = import_module("signbart_port.keras_model.quantization_aware")
    aware = simulated.quantization_aware(model)
    fed = signbart_port.predict("none.tflite", sorted(Path("sway/test").rglob("*.npz"))).clips
    keypoints = np.concatenate([clip.fed.keypoints for clip in fed if clip.fed])
    mask = np.concatenate([clip.fed.attention_mask for clip in fed if clip.fed])
    aware(keypoints, mask, training=True)  # which sees the ranges
    aware.save("quantization_aware.keras")


def make(folder: Path) -> None:
    """Write every file of the corpus into a folder, and the datasets that they are made with."""
    write_swaying(folder)
    program(SYNTH, folder)
    (folder / "training").mkdir()
    (folder / "training/model.yaml").write_text(json.dumps(SMALLER | BEGUN, indent=1) + "\n")
    (folder / "model.yaml").write_text(json.dumps(MODEL | LEARNED))
    train = [sys.executable, "-m", "pt_reference.train"]
    run([*train, *["--config", "model.yaml", "--data", "sway", "--quiet"]], folder)
    (folder / "model.yaml").unlink()
    shutil.move(folder / "checkpoints/best.pth", folder / "model.pth")
    shutil.rmtree(folder / "checkpoints")
    run([*train, *TRAINING.split(), "--checkpoint-dir", "training/torch"], folder)
    program(f"train {TRAINING} --checkpoint-dir training/keras", folder)
    for logs in (folder / "training").glob("*/logs"):
        shutil.rmtree(logs)
    part("torch", folder)
    program("convert model.pth --out model.h5 --report report.json --quiet", folder)
    for options in (
        "none.tflite --labels sway/label2id.json",
        "float16.tflite --quantization float16 --data sway",
        "dynamic.tflite --quantization dynamic --data sway",
        f"int8.tflite --quantization int8 {CALIBRATED}",
        f"int8_full.tflite --quantization int8_full {CALIBRATED}",
        f"int16x8.tflite --quantization int16x8 {CALIBRATED}",
        "lengths.tflite --quantization dynamic --frames 8,16",
        "raw.tflite --preprocessing --softmax --labels sway/label2id.json",
    ):
        program(f"tflite model.h5 --out {options} --quiet", folder)
    program(f"predict lengths.tflite {CLIPS[0]} --golden golden.json --quiet", folder)
    program("export model.h5 --out exported.pth --container training --quiet", folder)
    program("export model.h5 --out exported.safetensors --quiet", folder)
    part("keras", folder)


def measured(folder: Path, out: Path) -> Found:
    """Measure a copy of the corpus with the program."""
    tool = Path(__file__).resolve().with_name("compatibility.py")
    for framework in ("torch", "keras"):
        run([sys.executable, str(tool), framework, str(folder), str(out / framework)], folder)
    return Found.together(Found.load(out / framework) for framework in ("torch", "keras"))


def without_folders(answer: Any) -> Any:
    """Return the JSON with bare names in place of this machine's paths."""
    if isinstance(answer, dict):
        return {key: without_folders(value) for key, value in answer.items()}
    if isinstance(answer, list):
        return [without_folders(one) for one in answer]
    absolute = isinstance(answer, str) and Path(answer).is_absolute()
    return Path(answer).name if absolute else answer


def main(out: Path) -> None:
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        work, again = Path(scratch) / "work", Path(scratch) / "again"
        work.mkdir()
        make(work)
        answers = {line: without_folders(json.loads(program(line, work))) for line in JSONS}
        shutil.copytree(work, again)
        first, second = (measured(f, Path(scratch)) for f in (work, again))
        differing = [
            n for n, a in first.numbers.items() if a.tobytes() != second.numbers[n].tobytes()
        ]
        dataset = folder_digest(work / "signs")
        for name in ("signs", "sway", "resumed-torch", "resumed-keras"):
            shutil.rmtree(work / name)
        files = sorted(path for path in work.rglob("*") if path.is_file())
        names = [path.relative_to(work).as_posix() for path in files]
        sha256 = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
        with tarfile.open(out / FILES, "w:xz", preset=9) as archive:
            for path, name in zip(files, names, strict=True):
                member = tarfile.TarInfo(name)  # of no date and no owner
                member.size = path.stat().st_size
                with path.open("rb") as content:
                    archive.addfile(member, content)
    first.facts |= {
        "version": metadata.version("signbart-port"),
        "machine": machine(),
        "files": dict(zip(names, sha256, strict=True)),
        "signs": dataset,
        "differs_on_a_rerun": differing,
        "answers": answers,
    }
    first.save(out / "expected")
    print(f"{out}: {len(names)} files, {sum(p.stat().st_size for p in out.iterdir()):,} bytes")
    print(f"not the same bits when run again: {', '.join(differing) or 'nothing'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--part", choices=("torch", "keras"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        {"torch": torch_files, "keras": keras_files}[args.part]()
    else:
        main(args.out)
