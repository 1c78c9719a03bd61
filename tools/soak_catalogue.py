"""Bad inputs, each made by a line of code, with the words of its refusal."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

CANARY = "executed"
"""The name of the file that hostile code would make."""
_CUTS = {"a tenth": 0.1, "a half": 0.5, "nine tenths": 0.9, "all but a byte": 1.0}


@dataclass(frozen=True)
class Bad:
    """A bad input: what it is, its file, how that is made, and what its refusal says."""

    name: str
    file: str
    make: Callable[[Path], object]
    says: str = ""
    kind: str = ""
    """Which verbs read it: `checkpoint`, `keras`, `tflite`, `clip`, `config`, `mapping`,
    `labels`."""
    lenient: tuple[str, ...] = ()
    """The verbs that may take it all the same: they describe, and run nothing."""


_DESCRIBE = ("inspect", "plan")
KINDS = {
    "model.pth": "checkpoint",
    "model.safetensors": "checkpoint",
    "model.h5": "keras",
    "model.keras": "keras",
    "model.tflite": "tflite",
    "clip.npy": "clip",
    "clip.pkl": "clip",
    "clip.npz": "clip",
    "config.yaml": "config",
    "mapping.yaml": "mapping",
    "labels.json": "labels",
}


def catalogue(good: Mapping[str, Path]) -> list[Bad]:
    """Return every bad input; `good` are right files by their names, to be spoiled."""
    bad = [*_no_files(), *_cut(good), *_checkpoints(), *_safetensors(good), *_configs()]
    bad += [*_mappings(), *_hdf5(good), *_clips()]
    names = [one.name for one in bad]
    assert len(set(names)) == len(names), "a name stands for two"
    return bad


def _no_files() -> Iterator[Bad]:
    """Yield what is none of the kinds, under the name of each."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO())
    contents = {
        "empty": b"",
        "a byte": b"\x80",
        "HTML": b"<!DOCTYPE html><html><body>404</body></html>",
        "a pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "zeros": bytes(4096),
        "random": np.random.default_rng(0).bytes(4096),
        "gzip": gzip.compress(b"x" * 5000, mtime=0),
        "tar": tar.getvalue(),
        "a zip of nothing": b"PK\x05\x06" + bytes(18),
    }
    for file, kind in KINDS.items():
        for name, content in contents.items():
            yield Bad(f"{name}, {file}", file, _bytes(content), "", kind)
        yield Bad(f"missing, {file}", file, lambda path: None, "", kind)
        yield Bad(f"a folder, {file}", file, lambda path: path.mkdir(), "", kind)
        yield Bad(f"a pipe, {file}", file, os.mkfifo, "not a regular file", kind)
        yield Bad(f"a loop, {file}", file, lambda path: path.symlink_to(path), "", kind)


def _cut(good: Mapping[str, Path]) -> Iterator[Bad]:
    for file, path in good.items():
        data = path.read_bytes()
        for name, share in _CUTS.items():
            part = data[: min(int(share * len(data)), len(data) - 1)]
            yield Bad(f"{name} of {file}", file, _bytes(part), "", KINDS[file])


def _bytes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


class _Code:
    """What runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {CANARY}",)


def _checkpoints() -> Iterator[Bad]:
    import torch

    def state(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
        def make(path: Path) -> None:
            container = torch.load(path.with_name("good.pth"), weights_only=True)
            found = change(container["model"])
            container["model"] = container["model"] if found is None else found
            torch.save(container, path)

        return make

    def saved(value: object, **options: Any) -> Callable[[Path], object]:
        return lambda path: torch.save(value, path, **options)

    def of(name: str, value: Callable[[Any], Any]) -> Callable[[Path], object]:
        return state(lambda weights: weights.update({name: value(weights[name])}))

    weight, bias = "encoder.layers.0.fc1.weight", "encoder.layers.0.fc1.bias"
    legacy = {"_use_new_zipfile_serialization": False}
    model, one = torch.nn.Linear(2, 2), torch.ones(1)
    rows: list[tuple[str, Callable[[Path], object], str, tuple[str, ...]]] = [
        ("code in a zip", saved({"model": _Code()}), "", _DESCRIBE),
        ("code in a legacy file", saved({"model": _Code()}, **legacy), "", _DESCRIBE),
        ("code in a raw pickle", _bytes(pickle.dumps(_Code())), "raw pickle", ()),
        ("a whole module", saved(model), "", ()),
        ("an int", saved(3), "", ()),
        ("None", saved(None), "", ()),
        ("a list", saved([1, 2]), "", ()),
        ("nothing in a dict", saved({}), "", ()),
        ("NaN", of(weight, lambda w: w.index_fill(0, torch.tensor(0), torch.nan)), "", _DESCRIBE),
        ("infinity", of(bias, lambda b: b + torch.inf), "", _DESCRIBE),
        ("too large for float32", of(bias, lambda b: b.double() + 1e300), "", _DESCRIBE),
        ("transposed", of(weight, lambda w: w.T.contiguous()), weight, _DESCRIBE),
        ("another shape", of(weight, lambda w: w[:-1]), weight, _DESCRIBE),
        ("complex", of(weight, lambda w: w.to(torch.complex64)), "", _DESCRIBE),
        ("sparse", of(weight, lambda w: w.to_sparse()), "", _DESCRIBE),
        ("integers", of(weight, lambda w: w.to(torch.int8)), "", _DESCRIBE),
        ("text for a tensor", of(weight, lambda w: "w"), "", _DESCRIBE),
        ("one missing", state(lambda w: w.__delitem__(weight)), weight, _DESCRIBE),
        ("one too many", state(lambda w: w.update(extra=torch.ones(2))), "extra", _DESCRIBE),
        ("one under another name", state(lambda w: w.update(x=w.pop(weight))), "", _DESCRIBE),
        ("names with escapes", state(lambda w: w.update({"\x1b[2J": one})), "", _DESCRIBE),
        ("a name of a megabyte", state(lambda w: w.update({"x" * 10**6: one})), "", _DESCRIBE),
        ("numbers as names", state(lambda w: {3: torch.ones(2)}), "", _DESCRIBE),
    ]
    for name, make, says, lenient in rows:
        yield Bad(name, "model.pth", make, says, "checkpoint", lenient)


def _safetensors(good: Mapping[str, Path]) -> Iterator[Bad]:
    data = good["model.safetensors"].read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, values = json.loads(data[8 : 8 + length]), data[8 + length :]
    first = next(name for name in header if name != "__metadata__")

    def written(text: bytes, size: int | None = None) -> Callable[[Path], object]:
        return _bytes(struct.pack("<Q", len(text) if size is None else size) + text + values)

    def described(**changes: object) -> Callable[[Path], object]:
        return written(json.dumps(header | {first: header[first] | changes}).encode())

    start, end = header[first]["data_offsets"]
    rows: dict[str, Callable[[Path], object]] = {
        "a header that is too long": written(b"{}", 1 << 40),
        "a header that is no JSON": written(b'{"a": '),
        "a shape beyond its bytes": described(shape=[1 << 40]),
        "an axis below zero": described(shape=[-1]),
        "20,000 axes": described(shape=[1] * 20_000),
        "overlapping tensors": described(data_offsets=[start + 4, end + 4]),
        "an unknown type": described(dtype="Q9"),
        "offsets beyond the file": described(data_offsets=[1 << 50, 1 << 51]),
        "a repeated name": written(b'{"a":' + json.dumps(header[first]).encode() + b',"a":1}'),
        "a list for a header": written(b"[]      "),
    }
    for name, make in rows.items():
        yield Bad(name, "model.safetensors", make, "", "checkpoint")


def _configs() -> Iterator[Bad]:
    rows = {
        "a number": "3",
        "a list of YAML": "[1, 2]",
        "two documents": "a: 1\n---\nb: 2\n",
        "tabs": "d_model:\t1\n\tx: 2\n",
        "a repeated key": "d_model: 8\nd_model: 8\n",
        "a Python object": "d_model: !!python/object/apply:os.system [touch executed]\n",
        "a billion laughs": "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "a recursive alias": "a: &a [*a]\n",
        "50,000 brackets": "a: " + "[" * 50_000,
        "five megabytes": "a: " + "x" * 5_000_000,
        "hexadecimal without end": "d_model: 0x" + "f" * 5000,
        "a model of text": "d_model: wide\n",
        "heads that do not divide": "d_model: 8\nencoder_attention_heads: 3\n",
        "below zero": "d_model: -8\n",
        "an unknown name of joints": "joint_idx: nose\n",
        "60,000 joints": "joint_idx: [" + "1, " * 60_000 + "1]\n",
        "NUL": "d_model: 8\0\n",
        "latin-1": "d_model: \xe9\xff\n",
    }
    for name, text in rows.items():
        content = text.encode("latin-1")
        yield Bad(f"config: {name}", "config.yaml", _bytes(content), "", "config")


def _mappings() -> Iterator[Bad]:
    rows = {
        "another schema": "schema: 99\n",
        "no rules": "schema: 1\nfamily: x\nrules: []\n",
        "an unknown operation": "schema: 1\nrules:\n- torch: a\n  keras: b\n  op: rotate\n",
        "a placeholder of nobody": "schema: 1\nrules:\n- torch: a.{nobody}\n  keras: b\n",
        "text": "hello\n",
        "a repeated key of rules": "schema: 1\nschema: 1\n",
        "a billion of mappings": "a: &a [x, x]\nb: [*a, *a]\n",
    }
    for name, text in rows.items():
        yield Bad(f"mapping: {name}", "mapping.yaml", _bytes(text.encode()), "", "mapping")


def _hdf5(good: Mapping[str, Path]) -> Iterator[Bad]:
    import h5py

    def changed(change: Callable[[Any, str], object]) -> Callable[[Path], object]:
        def make(path: Path) -> None:
            path.write_bytes(good["model.h5"].read_bytes())
            with h5py.File(path, "r+") as file:
                names: list[str] = []
                file.visititems(
                    lambda name, one: names.append(name) if isinstance(one, h5py.Dataset) else None
                )
                change(file, next(name for name in names if "fc1/kernel" in name))

        return make

    def replaced(new: Callable[[Any, str, Any], object]) -> Callable[[Path], object]:
        def change(file: Any, name: str) -> None:
            old = file[name][()]
            del file[name]
            new(file, name, old)

        return changed(change)

    def virtual(file: Any, name: str, old: Any) -> None:
        layout = h5py.VirtualLayout(old.shape, "f4")
        layout[:] = h5py.VirtualSource("other.h5", "x", shape=old.shape)
        file.create_virtual_dataset(name, layout)

    def large(file: Any, name: str, old: Any) -> None:
        file.create_dataset(name, (1 << 40,), "f4", chunks=(1 << 20,))

    rows: dict[str, Callable[[Path], object]] = {
        "a weight missing": replaced(lambda file, name, old: None),
        "a weight of another shape": replaced(
            lambda file, name, old: file.create_dataset(name, data=old.T)
        ),
        "a weight of integers": replaced(
            lambda file, name, old: file.create_dataset(name, data=old.astype("i4"))
        ),
        "a weight elsewhere": replaced(
            lambda file, name, old: file.__setitem__(name, h5py.ExternalLink("/etc/hosts", "x"))
        ),
        "a virtual weight": replaced(virtual),
        "a weight of terabytes": replaced(large),
        "no config": changed(lambda file, name: file.attrs.pop("model_config")),
        "a Lambda": changed(
            lambda file, name: file.attrs.__setitem__(
                "model_config", json.dumps({"class_name": "Lambda", "config": {"function": "x"}})
            )
        ),
        "a weight that was changed": replaced(
            lambda file, name, old: file.create_dataset(name, data=old + np.float32(0.5))
        ),
    }
    for name, make in rows.items():
        yield Bad(name, "model.h5", make, "", "keras", ("inspect",))
    with_path = io.BytesIO()
    with zipfile.ZipFile(with_path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("../../evil", "x")
    yield Bad("a path out of it", "model.keras", _bytes(with_path.getvalue()), "", "keras")


def _clips() -> Iterator[Bad]:
    clip = np.zeros((4, 75, 2), np.float32)

    def array(value: Any) -> Callable[[Path], object]:
        return lambda path: np.save(path, value, allow_pickle=True)

    def pickled(value: Any) -> Callable[[Path], object]:
        return _bytes(pickle.dumps(value))

    rows: list[tuple[str, str, Callable[[Path], object]]] = [
        ("code in a clip", "clip.pkl", pickled({"keypoints": _Code()})),
        ("code beside a clip", "clip.pkl", pickled({"keypoints": 3, "class": _Code()})),
        ("no keypoints", "clip.pkl", pickled({"class": "a"})),
        ("text for a clip", "clip.pkl", pickled("clip")),
        ("no frames", "clip.npy", array(clip[:0])),
        ("two axes", "clip.npy", array(clip[0])),
        ("a coordinate", "clip.npy", array(clip[..., :1])),
        ("a number too few of points", "clip.npy", array(clip[:, :30])),
        ("text in an array", "clip.npy", array(np.array(["a"] * 4))),
        ("complex keypoints", "clip.npy", array(clip.astype(np.complex64))),
        ("code in an array", "clip.npy", array(np.array([_Code()], object))),
        ("a shape that lies", "clip.npy", _bytes(_lying())),
        ("pixels", "clip.npy", array(clip + 300)),
    ]
    for name, file, make in rows:
        yield Bad(name, file, make, "", "clip")


def _lying() -> bytes:
    stored = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stored, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 75, 2)}
    )
    return stored.getvalue()
