"""What this program writes of a stranger's strings, and what reads it again: conversions, exports,
`.tflite` files and trainings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from soak_places import REPORT, Place, loaded, name_of, saved

_TINY = {
    "d_model": 4,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 4,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 4,
    "max_position_embeddings": 8,
    "joint_idx": [0, 2, 1],
}
_SPLIT = ("--split", "train")


def _proofs(work: Path, text: str) -> Iterator[list[str]]:
    """A conversion and its proof, where everything has the string that a proven file can have."""
    container, name = loaded(work), name_of(text)
    container["config"] |= {text: text, "training": {text: text}}
    saved(container, work / f"{name}.pth")
    yield ["convert", f"{name}.pth", "--out", f"{name}.h5", "-q"]
    yield ["verify", f"{name}.pth", f"{name}.h5", *REPORT]


def _stranger(work: Path, text: str) -> Path:
    """Write a model.h5 with the string in its name and in its provenance."""
    path = work / f"{name_of(text)}.h5"
    shutil.copy(work / "good.h5", path)
    with h5py.File(path, "r+") as file:
        said = json.loads(file.attrs["signbart_port"])
        said |= {text: text, "config_origin": text, "config_notes": [text]}
        said["source"] |= {"name": text, "container": text, "notes": [text]}
        said["mapping"] |= {"family": text}
        file.attrs["signbart_port"] = json.dumps(said)
    return path


def _exports(work: Path, text: str) -> Iterator[list[str]]:
    h5, name = _stranger(work, text).name, name_of(text)
    for out, *options in (
        (f"{name}.pth", "--container", "training", "--no-verify"),
        (f"{name}.safetensors", "--no-verify"),
        (f"{name}.pt", *REPORT),
    ):
        yield ["export", h5, "--out", out, *options]
        yield ["inspect", out]
        yield ["inspect", out, "--json"]
    yield ["export", h5, "--out", f"{name}/a.pth", "--json"]
    yield ["export", h5, "--container", text]
    yield ["export", h5, "--out", text]


def _tflites(work: Path, text: str) -> Iterator[list[str]]:
    h5, name = _stranger(work, text).name, name_of(text)
    labels = [text, *(f"label {number}" for number in range(1, 10))]
    (work / f"{name}.json").write_text(json.dumps(labels))
    yield ["tflite", h5, "--out", f"{name}.tflite", "--labels", f"{name}.json"]
    if not (work / f"{name}.tflite").exists():
        yield ["tflite", h5, "--out", f"{name}.tflite"]
    yield ["inspect", f"{name}.tflite"]
    yield ["inspect", f"{name}.tflite", "--json"]
    yield ["predict", f"{name}.tflite", "good.npy"]
    yield ["tflite", h5, "--quantization", text]
    yield ["tflite", h5, "--frames", text, "--out", f"{name}/a.tflite"]
    yield ["tflite", h5, "--skeleton", text, "--data", text]
    yield ["tflite", h5, "--calibration", f"{name} none", "--quantization", "int8"]


def _trainings(work: Path, text: str) -> Iterator[list[str]]:
    """A training whose files, folders, clips and settings have the string."""
    name, data = name_of(text), _data(work, "label 1", name_of(text))
    (work / f"{name}.json").write_text(json.dumps(_TINY))
    line = ["train", "--config", f"{name}.json", "--data", data, "--epochs", "1"]
    out = ["--checkpoint-dir", f"{name} out", "--log-dir", f"{name} log"]
    yield [*line, *out]
    yield [*line, *out]
    yield ["inspect", f"{name} out/best.h5"]
    yield [*line, *out, "--resume", "--set", f"optimizer={text}"]
    yield [*line, "--set", text]
    yield [*line, "--set", f"{text}=1"]
    yield [*line, "--holdouts", text, *out]
    yield [*line, "--holdouts", "all", "--seeds", text]
    yield [*line, "--from", text]
    yield [*line, "--skeleton", text]
    yield ["train", "--config", text, "--data", text]


def _training_classes(work: Path, text: str) -> Iterator[list[str]]:
    """A training for a class of this name."""
    data = _data(work, text, "clip")
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"class_names": [text, "label 0"]},
        {text: text},
    )
    for number, change in enumerate(changes):
        (work / f"{number}.json").write_text(json.dumps(_TINY | change))
        line = ["train", "--config", f"{number}.json", "--data", data, "--epochs", "1"]
        yield [*line, "--checkpoint-dir", f"{number}"]
    yield ["inspect", "0/best.h5"]
    yield ["evaluate", "0/best.h5", "--data", data, *_SPLIT, "--every-class", *REPORT]
    yield ["predict", "0/best.h5", "good.npy"]


def _data(work: Path, label: str, clip: str) -> str:
    """Write a dataset with a class and a clip of these names."""
    data, draw = work / "own", np.random.default_rng(0)
    for one in ("label 0", label):
        (clips := data / "train" / one).mkdir(parents=True)
        for number in range(4):
            np.save(clips / f"{clip}_{number}.npy", draw.random((4, 75, 2), np.float32))
    (data / "label2id.json").write_text(json.dumps({label: 0, "label 0": 1}))
    return data.name


PLACES: Mapping[str, Place] = {
    "proofs": _proofs,
    "exports": _exports,
    ".tflite files": _tflites,
    "trainings": _trainings,
    "classes of trainings": _training_classes,
}
