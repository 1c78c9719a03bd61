"""Every place where a stranger may have put a string, and the commands that come across it.

A place writes files into a working folder that has right ones, and yields command lines. It raises
OSError, RuntimeError (of HDF5) or ValueError where it cannot hold the string.
"""

from __future__ import annotations

import io
import json
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from signbart_port.tflite import object_tree

Place = Callable[[Path, str], Iterator[list[str]]]
_LONGEST_NAME = 180  # characters, which leaves room for the names of temporary files
REPORT = ("--report", "page.html", "--force")


def name_of(text: str) -> str:
    return text.replace("/", "-")[:_LONGEST_NAME]


def loaded(work: Path) -> dict[str, Any]:
    import torch

    container: dict[str, Any] = torch.load(work / "good.pth", weights_only=True)
    return container


def saved(container: dict[str, Any], path: Path) -> None:
    import torch

    torch.save(container, path)


def _file_names(work: Path, text: str) -> Iterator[list[str]]:
    name = name_of(text)
    pth, tflite, clip = (f"{name}{end}" for end in (".pth", ".tflite", ".npy"))
    for file, good in ((pth, "good.pth"), (tflite, "good.tflite"), (clip, "good.npy")):
        shutil.copy(work / good, work / file)
    weights = loaded(work)["model"]
    fork = {tensor.replace("fc1", "linear1"): value for tensor, value in weights.items()}
    saved(fork, work / f"{name} fork.pth")
    (work / f"{name}.h5").write_bytes(b"none")
    (clips := work / f"{name} clips").mkdir()
    shutil.copy(work / "good.npy", clips / clip)
    yield ["inspect", pth]
    yield ["inspect", tflite, "--json"]
    yield ["inspect", pth, f"{name}.h5"]
    yield ["inspect", pth, tflite, "--json"]
    yield ["inspect", pth, "--config-out", f"{name}.yaml"]
    yield ["plan", pth]
    yield ["plan", f"{name} fork.pth"]
    yield ["plan", f"{name} fork.pth", "--out", f"{name} draft.yaml"]
    yield ["plan", pth, "--mapping", f"{name}.yaml"]
    yield ["convert", pth, "--out", f"{name}/a.h5", "-q"]
    yield ["predict", tflite, clip, "--golden", f"{name}.json"]
    yield ["data", "check", clips.name]
    yield ["verify", tflite, "good.tflite", *REPORT]
    yield ["evaluate", tflite, "--data", "signs", "--split", "train", *REPORT]


def _unequal(work: Path, text: str) -> Iterator[list[str]]:
    """Two folders with two pairs of models, the second of which differ."""
    name = f"{name_of(text)}.tflite"
    for folder in ("a", "b"):
        (work / folder).mkdir()
        for file in ("good.tflite", name):
            shutil.copy(work / "good.tflite", work / folder / file)
    data = bytearray((work / "good.tflite").read_bytes())
    buffers = (buffer.data for buffer in object_tree.parsed(data).buffers)
    max((one for one in buffers if one is not None), key=len)[:] = 0  # in `data` itself
    (work / "b" / name).write_bytes(data)
    yield ["verify", "a", "b"]
    yield ["verify", f"a/{name}", f"b/{name}", *REPORT]


def _labels(work: Path, text: str) -> Iterator[list[str]]:
    names = {text: 0} | {f"label {number}": number for number in range(1, 10)}
    (work / "labels.json").write_text(json.dumps(names))
    yield ["predict", "good.tflite", "good.npy", "--labels", "labels.json"]
    (work / "labels.txt").write_text("\n".join(names), errors="surrogatepass")
    yield ["predict", "good.tflite", "signs", "--labels", "labels.txt"]


def _classes(work: Path, text: str) -> Iterator[list[str]]:
    shutil.copytree(work / "signs", data := work / "own")
    (data / "train" / "label 0").rename(data / "train" / text)
    names = {text: 0} | {f"label {number}": number for number in range(1, 10)}
    (data / "label2id.json").write_text(json.dumps(names))
    yield ["data", "check", "own", "--every-class"]
    yield ["data", "check", "own", "--json"]
    line = ["evaluate", "good.tflite", "--data", "own", "--split", "train", "--every-class"]
    yield [*line, *REPORT]
    (data / "label2id.json").write_text(json.dumps({f"label {n}": n for n in range(10)}))
    yield ["data", "check", "own"]


def _samples(work: Path, text: str) -> Iterator[list[str]]:
    shutil.copytree(work / "signs", data := work / "own")
    (folder := data / "train" / "label 3").joinpath("clip.npy").unlink()
    clip = np.random.default_rng(1).random((4, 75, 2), np.float32)
    name = name_of(text)
    for file in (f"{name}_1.npy", f"{name}_2.npy"):
        np.save(folder / file, clip)
    (folder / f"{name}.txt").touch()
    yield ["data", "check", "own"]
    yield ["predict", "good.tflite", "own/train/label 3"]
    (folder / f"{name}_1.npy").write_bytes(b"none")
    yield ["data", "check", "own", "--skip-bad"]
    yield ["data", "check", "own", "--json"]
    line = ["evaluate", "good.tflite", "--data", "own", "--split", "train", "--skip-bad"]
    yield [*line, *REPORT]


def _clip_labels(work: Path, text: str) -> Iterator[list[str]]:
    clip = np.random.default_rng(1).random((4, 75, 2), np.float32)
    (work / "clip.json").write_text(json.dumps({"keypoints": clip.tolist(), "class": text}))
    yield ["predict", "good.tflite", "clip.json"]
    (work / "clip.json").write_text(json.dumps({"keypoints": text, text: text}))
    yield ["predict", "good.tflite", "clip.json"]


def _tensors(work: Path, text: str) -> Iterator[list[str]]:
    weights = loaded(work)["model"]
    last = list(weights)[-1]
    changed = {
        "one more": weights | {text: weights[last]},
        "prefixed": {f"{text}.{name}": tensor for name, tensor in weights.items()},
        "a module": {name.replace("fc1", text): tensor for name, tensor in weights.items()},
    }
    for name, tensors in changed.items():
        saved(tensors, work / f"{name}.pth")
        yield ["inspect", f"{name}.pth", "--tensors"]
        yield ["plan", f"{name}.pth", "--all"]
    yield ["plan", "prefixed.pth", "--json"]
    yield ["inspect", "prefixed.pth", "--json"]
    yield ["convert", "a module.pth", "-q", "--config", "good.yaml"]


def _container(work: Path, text: str) -> Iterator[list[str]]:
    container = loaded(work)
    config = container["config"]
    changed: Mapping[str, dict[str, Any]] = {
        "beside": {text: text, "args": {text: text}, "epoch": text},
        "key": {"config": config | {text: text}},
        "value": {"config": config | {"joint_idx": text, "pe": text}},
        "names": {"config": config | {"class_names": [text, *map(str, range(1, 10))]}},
        "hub": {"config": config | {"id2label": {0: text}, "label2id": {text: 1}}},
        "skeleton": {"config": config | {"skeleton": {"points": 75, "groups": {text: [0, 75]}}}},
    }
    for name, more in changed.items():
        saved(container | more, work / f"{name}.pth")
        yield ["inspect", f"{name}.pth"]
        yield ["plan", f"{name}.pth"]
    yield ["inspect", "key.pth", "--json"]
    yield ["inspect", "names.pth", "--config-out", "names.yaml"]
    yield ["inspect", "names.pth", "--weights", text]


def _configs(work: Path, text: str) -> Iterator[list[str]]:
    config = loaded(work)["config"]
    changes: list[dict[str, Any]] = [
        {text: text},
        {"joint_idx": text},
        {"class_names": [text, *map(str, range(1, 10))]},
        {"training": {text: text}},
        {"training": {"optimizer": text}},
        {"d_model": text},
    ]
    for number, change in enumerate(changes):
        (work / f"{number}.json").write_text(json.dumps(config | change))
        yield ["inspect", "bare.pth", "--config", f"{number}.json"]
        yield ["plan", "bare.pth", "--config", f"{number}.json"]
    (work / "c.yaml").write_text(f"d_model: 64\n{text}: 3\n", errors="surrogatepass")
    yield ["plan", "bare.pth", "--config", "c.yaml"]
    yield ["inspect", "bare.pth", "--config", text, "--joints", text]


def _mappings(work: Path, text: str) -> Iterator[list[str]]:
    rule = {"torch": f"{text}.a", "keras": f"{text}/b", "kind": text, "out": text}
    whole = {"schema": 1, "family": text, "modules": [rule], "ignore": {"torch": [rule]}}
    plain = Path(__file__).parents[1].joinpath("mappings", "signbart.yaml").read_text()
    mappings = {
        "rules": json.dumps(whole),
        "family": plain.replace("family: signbart", f"family: {json.dumps(text)}"),
        "module": plain.replace("fc1", text),
        "kind": plain.replace("kind: linear", f"kind: {json.dumps(text)}"),
        "key": f"{json.dumps(text)}: 1\n{plain}",
    }
    for name, content in mappings.items():
        (work / f"{name}.yaml").write_text(content, errors="surrogatepass")
        yield ["plan", "good.pth", "--mapping", f"{name}.yaml", "--all"]
    yield ["plan", "good.pth", "--mapping", "family.yaml", "--json"]
    yield ["plan", "good.pth", "--mapping", text]


def _safetensors(work: Path, text: str) -> Iterator[list[str]]:
    tensor = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    headers: Mapping[str, dict[str, Any]] = {
        "metadata": {"__metadata__": {text: text, "config": text, "format": text}, "a": tensor},
        "tensor": {text: tensor},
        "type": {"a": tensor | {"dtype": text}},
        "key": {"a": tensor | {text: text}},
    }
    for name, header in headers.items():
        said = json.dumps(header).encode()
        data = struct.pack("<Q", len(said)) + said + bytes(8)
        (work / f"{name}.safetensors").write_bytes(data)
        yield ["inspect", f"{name}.safetensors", "--tensors"]
        yield ["plan", f"{name}.safetensors"]
    yield ["inspect", "metadata.safetensors", "--json"]


def _provenance(work: Path, text: str) -> Iterator[list[str]]:
    import h5py

    def changed(name: str, change: Callable[[h5py.File], object]) -> list[str]:
        shutil.copy(work / "good.h5", work / f"{name}.h5")
        with h5py.File(work / f"{name}.h5", "r+") as file:
            change(file)
        return ["inspect", f"{name}.h5"]

    def provenance(file: h5py.File) -> None:
        said = json.loads(file.attrs["signbart_port"])
        said |= {text: text, "created": text, "proof": text, "versions": {text: text}}
        said["source"] |= {"name": text, "notes": [text]}
        file.attrs["signbart_port"] = json.dumps(said)

    def layers(file: h5py.File) -> None:
        said = file.attrs["model_config"]
        file.attrs["model_config"] = said.replace(
            '"class_name": "', f'"class_name": {json.dumps(text)[:-1]}'
        )

    yield changed("provenance", provenance)
    yield ["inspect", "provenance.h5", "--json"]
    yield changed("classes", layers)
    yield changed("attribute", lambda file: file.attrs.__setitem__(text, text))
    yield changed("unreadable", lambda file: file.attrs.__setitem__("signbart_port", text))
    yield changed("group", lambda file: file["model_weights"].create_group(text))
    yield changed("weight", lambda file: file["model_weights"].create_dataset(text, data=[1.0]))


def _cards(work: Path, text: str) -> Iterator[list[str]]:
    score = {"model": text, "top1": 0.5, "top5": 0.5, "agreement": 1.0}
    changes: Mapping[str, dict[str, Any]] = {
        "labels": {"labels": [text] * 10},
        "source": {"source": {text: text}, "version": text, text: text},
        "accuracy": {"accuracy": {"clips": 1, "scores": [score], "drop": 0.0}},
        "skeleton": {"skeleton": text, "takes": text},
        "quantization": {"quantization": text},
        "layout": {"layout": text, "output": text},
        "groups": {"groups": {text: [0, 75]}},
    }
    for name, change in changes.items():
        _with_card(work / "good.tflite", work / f"{name}.tflite", change)
        yield ["inspect", f"{name}.tflite"]
    yield ["predict", "labels.tflite", "good.npy"]
    yield ["inspect", "labels.tflite", "source.tflite", "--json"]
    yield ["verify", "labels.tflite", "source.tflite", *REPORT]


def _with_card(good: Path, path: Path, change: dict[str, Any]) -> None:
    """Write a .tflite with another card: the archive behind the model is made anew."""
    data = good.read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        start = min(member.header_offset for member in archive.infolist())
        card = json.loads(archive.read("signbart.json"))
    with path.open("wb") as file:
        file.write(data[:start])
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("signbart.json", json.dumps(card | change))


PLACES: Mapping[str, Place] = {
    "file names": _file_names,
    "names of unequal files": _unequal,
    "labels": _labels,
    "classes": _classes,
    "sample names": _samples,
    "labels of clips": _clip_labels,
    "tensor names": _tensors,
    "containers": _container,
    "configs": _configs,
    "mappings": _mappings,
    ".safetensors": _safetensors,
    ".h5": _provenance,
    ".tflite cards": _cards,
}
