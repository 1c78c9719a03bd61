"""What a version of the program makes of a compatibility corpus, in numbers and plain facts.

    python tools/compatibility.py torch|keras FOLDER OUT

writes OUT.npz and OUT.json. The corpus is recorded with it, and the tests compare with it. Only
public names and commands are used, so that it means the same in every version. FOLDER is a copy of
a corpus that may be written to. PyTorch and TensorFlow never meet in one process: hence two parts.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import hashlib
import importlib
import io
import json
import os
import runpy
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BARE = ("bare.pth", "bare.safetensors")
CHECKPOINTS = ("model.pth", *BARE, "exported.pth", "exported.safetensors")
KERAS_FILES = ("model.h5", "plain.h5", "plain.keras", "quantization_aware.keras")
MODES = ("none", "float16", "dynamic", "int8", "int8_full", "int16x8")
TFLITES = tuple(f"{name}.tflite" for name in (*MODES, "lengths", "raw"))
CLIPS = ("clips/short.npz", "clips/long.npz")
SYNTH = "data synth signs --signers 3 --classes 4 --repetitions 3 --quiet"
"""The dataset of training and evaluation, which is drawn anew: it is larger than the corpus."""

TRAINING = "--config training/model.yaml --data signs --quiet"
FRAMES, KEYPOINTS = 16, 75
FILES = "files.tar.xz"
"""The files of a corpus together: most of them hold the same weights, and compress to a sixth."""

_PACKAGES = ("ai-edge-litert", "h5py", "keras", "numpy", "tensorflow", "torch")
_TIMES = ("seconds", "waiting")


@dataclass
class Found:
    """Arrays and plain facts, by name."""

    numbers: dict[str, Array] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def save(self, out: Path) -> None:
        np.savez_compressed(out.with_suffix(".npz"), **self.numbers)  # type: ignore[arg-type]
        out.with_suffix(".json").write_text(json.dumps(self.facts) + "\n")

    @classmethod
    def together(cls, parts: Iterable[Found]) -> Found:
        together = cls()
        for part in parts:
            together.numbers |= part.numbers
            together.facts |= part.facts
        return together

    @classmethod
    def load(cls, out: Path) -> Found:
        with np.load(out.with_suffix(".npz")) as arrays:
            return cls(dict(arrays), json.loads(out.with_suffix(".json").read_text()))


def fixed_inputs() -> tuple[Array, Array]:
    """Return prepared keypoints (3, T, K, 2) and their mask (3, T): whole, padded, and of one
    frame."""
    rng = np.random.default_rng(20)
    keypoints = (rng.integers(1, 256, (3, FRAMES, KEYPOINTS, 2)) / 256).astype(np.float32)
    lengths = np.array([FRAMES, 5, 1])
    mask = (np.arange(FRAMES) < lengths[:, None]).astype(np.float32)
    return keypoints * mask[..., None, None], mask


def machine() -> dict[str, str]:
    """Return what the last bits of a float depend on: the processor and the libraries."""
    about = Path("/proc/cpuinfo")  # of Linux; elsewhere nothing is told, and no bit is compared
    lines = about.read_text().splitlines() if about.exists() else []
    info = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = hashlib.sha256(info.get("flags", "").encode()).hexdigest()[:16]
    versions = {package: metadata.version(package) for package in _PACKAGES}
    return {
        "processor": f"{info.get('model name')} {flags}",
        "cores": str(os.cpu_count()),
    } | versions


def digest(array: Array) -> str:
    """Return the digest of type, shape and every bit."""
    about = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(about + np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def digests(arrays: Mapping[str, Array]) -> dict[str, str]:
    return {name: digest(array) for name, array in sorted(arrays.items())}


def folder_digest(folder: Path) -> str:
    """Return the digest of every file's name and bytes."""
    found = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        found.update(f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes())
    return found.hexdigest()


def command(arguments: str) -> str:
    """Return what signbart-port prints, run in this process; raises RuntimeError if it fails."""
    from signbart_port.cli import main

    return _printed("signbart-port", arguments, main)


def _printed(name: str, arguments: str, main: Callable[[], object]) -> str:
    before, out = sys.argv, io.StringIO()
    sys.argv = [name, *arguments.split()]
    try:
        with contextlib.redirect_stdout(out):
            main()
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"{name} {arguments}: exit code {end.code}") from None
    finally:
        sys.argv = before
    return out.getvalue()


def torch_part(folder: Path) -> Found:
    """Measure the checkpoints of PyTorch, and its training; the current directory is the folder."""
    found = Found()
    for name in CHECKPOINTS:
        found.numbers[f"torch/{name}"], found.facts[f"tensors/{name}"] = _torch_model(folder / name)
    found.numbers |= predictions(CHECKPOINTS)
    with_last = shutil.copytree("training/torch", "resumed-torch")
    _printed(
        "pt_reference.train",
        f"{TRAINING} --checkpoint-dir {with_last} --epochs 2 --resume",
        lambda: runpy.run_module("pt_reference.train", run_name="__main__", alter_sys=True),
    )
    import torch

    saved = torch.load("resumed-torch/last.pth", weights_only=True)
    states = saved["optimizer"]["state"]
    found.numbers |= {f"resumed-torch/{n}": t.numpy() for n, t in saved["model"].items()}
    found.facts["optimizer-torch"] = digests(
        {f"{number}/{n}": t.numpy() for number, one in states.items() for n, t in one.items()}
    )
    found.facts["history-torch"] = _history(Path("resumed-torch/logs/log.csv"))
    return found


def _torch_model(path: Path) -> tuple[Array, dict[str, str]]:
    import safetensors
    import torch
    import yaml
    from safetensors.torch import load_file

    from pt_reference import SignBart

    if path.suffix == ".safetensors":
        saved: Any = {"model": load_file(path)}
        with safetensors.safe_open(path, "pt") as opened:
            saved |= {
                k: json.loads(v) for k, v in (opened.metadata() or {}).items() if k == "config"
            }
    else:
        saved = torch.load(path, weights_only=True)
    state = saved.get("model", saved)
    config = saved.get("config") or yaml.safe_load((path.parent / "bare.yaml").read_text())
    model = SignBart(config).eval()
    model.load_state_dict(state, strict=True)
    with torch.inference_mode():
        _, logits = model(*map(torch.from_numpy, fixed_inputs()))
    return logits.numpy(), digests({name: tensor.numpy() for name, tensor in state.items()})


def predictions(models: tuple[str, ...]) -> dict[str, Array]:
    """Return the scores of every clip, by the program's own `predict`."""
    import signbart_port

    return {
        f"predict/{model}": np.stack([c.scores for c in signbart_port.predict(model, CLIPS).clips])
        for model in models
    }


def keras_part(folder: Path) -> Found:
    """Measure the files of Keras and TFLite; the current directory is the folder."""
    import keras

    import signbart_port

    for home in ("training", "keras_model"):  # where the class is, and where version 0.1 has it
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(f"signbart_port.{home}.quantization_aware")
            break
    found = Found()
    for name in KERAS_FILES:
        model = keras.models.load_model(folder / name)
        found.numbers[f"keras/{name}"] = _called(model)
        weights = {weight.path: weight.numpy() for weight in model.weights}
        found.facts[f"tensors/{name}"] = digests(weights)
    for name in ("model.h5", "plain.h5", "training/keras/last.h5", "training/keras/best.h5"):
        model = signbart_port.load(folder / name)
        found.numbers[f"load/{name}"] = _called(model)
        found.facts[f"tensors/load/{name}"] = digests({w.path: w.numpy() for w in model.weights})
    for name in TFLITES:
        for signature, scores in _tflite(folder / name):
            found.numbers[f"tflite/{name}/{signature}"] = scores
    found.numbers |= predictions(("model.h5", "plain.h5", *TFLITES))
    return found


def keras_resumed() -> Found:
    """Resume the training in Keras to its second epoch; the current directory is the folder."""
    import h5py

    found = Found()
    shutil.copytree("training/keras", "resumed-keras")
    command(f"train {TRAINING} --checkpoint-dir resumed-keras --epochs 2 --resume")
    with h5py.File("resumed-keras/last.h5") as file:
        for name, values in _datasets(file["model_weights"]):
            found.numbers[f"resumed-keras/{name}"] = values
        found.facts["optimizer-keras"] = digests(dict(_datasets(file["training"])))
    found.facts["history-keras"] = _history(Path("resumed-keras/logs/log.csv"))
    return found


def _called(model: Any) -> Array:
    return np.asarray(model(*fixed_inputs(), training=False))


def _datasets(group: Any) -> Iterator[tuple[str, Array]]:
    """Yield every dataset below a group, in alphabetical order."""
    for name, item in sorted(group.items()):
        if hasattr(item, "items"):
            yield from ((f"{name}/{below}", values) for below, values in _datasets(item))
        else:
            yield name, np.asarray(item[()])


def _tflite(path: Path) -> Iterator[tuple[str, Array]]:
    """Yield the outputs of each signature for the fixed inputs, integers if it gives integers."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    for signature in sorted(interpreter.get_signature_list()):
        runner = interpreter.get_signature_runner(signature)
        details = runner.get_input_details()
        frames = details["keypoints"]["shape"][1]
        tensors = dict(zip(("keypoints", "attention_mask"), fixed_inputs(), strict=True))
        rows = []
        for clip in range(len(tensors["keypoints"])):
            one = {
                n: _quantized(v[clip : clip + 1, :frames], details[n]) for n, v in tensors.items()
            }
            rows.append(next(iter(runner(**one).values()))[0])
        yield signature, np.stack(rows)


def _quantized(values: Array, details: Mapping[str, Any]) -> Array:
    """Return values as an input takes them: rounded to its steps if it takes integers."""
    scale, zero = details["quantization"]
    if not np.issubdtype(details["dtype"], np.integer):
        return values.astype(details["dtype"])
    limits = np.iinfo(details["dtype"])
    steps = np.rint(values / scale) + zero if scale else values
    return np.clip(steps, limits.min, limits.max).astype(details["dtype"])


def _history(log: Path) -> list[dict[str, str]]:
    with log.open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in _TIMES} for row in csv.DictReader(file)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=("torch", "keras"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    folder, out = args.folder.resolve(), args.out.resolve()
    os.chdir(folder)
    parts = [torch_part(folder)] if args.part == "torch" else [keras_part(folder), keras_resumed()]
    Found.together(parts).save(out)


if __name__ == "__main__":
    main()
