"""Every field of a model file as text, for two files to be compared: tensors by digest."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

Fields = dict[str, str]
_SHOWN = 8  # values of an array


def fields_of(path: Path) -> Fields:
    """Return all fields of a .h5, .pth, .safetensors or .tflite, by name."""
    read = {".h5": _h5, ".pth": _pth, ".safetensors": _safetensors, ".tflite": _tflite}
    fields = dict(read[path.suffix](path))
    fields["sha256 of the file"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return fields


def _h5(path: Path) -> Iterator[tuple[str, str]]:
    import h5py

    with h5py.File(path) as file:
        items: dict[str, Any] = {"": file}
        file.visititems(lambda name, item: items.__setitem__(name, item))
        for name, item in items.items():
            yield name or "/", type(item).__name__
            if isinstance(item, h5py.Dataset):
                yield f"{name}.values", _summary(item[()])
            for key, value in item.attrs.items():
                yield from _flat(f"{name}@{key}", value)


def _pth(path: Path) -> Iterator[tuple[str, str]]:
    import torch

    yield from _flat("", torch.load(path, weights_only=True))
    with zipfile.ZipFile(path) as archive:
        yield "members of the archive", str([info.filename for info in archive.infolist()])


def _safetensors(path: Path) -> Iterator[tuple[str, str]]:
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    for name, entry in header.items():
        # The library writes the metadata in another order every time.
        yield from _flat(name, dict(sorted(entry.items())))
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            yield f"{name}.values", _summary(data[8 + size :][start:end])


def _tflite(path: Path) -> Iterator[tuple[str, str]]:
    from ai_edge_litert import schema_py_generated as schema

    data = path.read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))
    metadata = {entry.buffer for entry in model.metadata or [] if entry.name == b"TFLITE_METADATA"}
    for number in metadata:
        yield "TFLITE_METADATA", _summary(bytes(model.buffers[number].data))
        model.buffers[number] = None
    yield from _flat("model", model)
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield from _flat(name, archive.read(name).decode())


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the leaves of a value: of dicts, lists, objects of a flatbuffer's tree, and JSON in a
    text."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except ValueError:
            yield name, value
            return
    if isinstance(value, dict):
        yield name, f"{type(value).__name__} of {len(value)}: {', '.join(map(str, value))}"
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}".lstrip("."), inner)
    elif isinstance(value, list | tuple):
        yield name, f"{len(value)} items"
        for number, inner in enumerate(value):
            yield from _flat(f"{name}[{number}]", inner)
    elif type(value).__module__.startswith("ai_edge_litert"):
        for key, inner in vars(value).items():
            yield from _flat(f"{name}.{key}", inner)
    else:
        yield name, _summary(value)


def _summary(value: Any) -> str:
    """Return a short value as text, and a tensor or bytes as type, shape and digest."""
    if hasattr(value, "detach"):
        value = value.detach().numpy()
    if isinstance(value, bytes) and len(value) > 200:
        return f"{len(value)} bytes {hashlib.sha256(value).hexdigest()[:16]}"
    if isinstance(value, np.ndarray) and value.size > _SHOWN and value.dtype != object:
        found = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:16]
        return f"{value.dtype} {value.shape} {found}"
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.tolist()}"
    return repr(value)
