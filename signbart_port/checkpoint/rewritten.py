"""A state dict as torch.save would write it, of what was read: for PyTorch's reader, where it
cannot read the file itself."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

from signbart_port.checkpoint import second_reading
from signbart_port.checkpoint.files import open_file
from signbart_port.checkpoint.loaded import Loaded, Location
from signbart_port.checkpoint.second_reading import View
from signbart_port.untrusted.pickle_globals import element_of
from signbart_port.untrusted.refusal import Refusal, naming
from signbart_port.untrusted.tensors import Tensor

_NAMES = {  # of the storages' types in a pickle
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}


def rewrite(location: Location, position: int) -> bytes:
    """Encode the state dict of one of the files at `location`, as torch.save does.

    The file is read twice, by two readers of ours. Raises PortError where they disagree on the
    names, storages, offsets, sizes or strides of its tensors.
    """
    path = location.files[position]
    with naming(path):
        loaded = open_file(path).loaded
        state = _state(loaded.root, location)
        wanted = {*location.names.values(), *location.masks.values()}
        views = {n: v for n, v in state.items() if n in wanted and isinstance(v, Tensor)}
        _check_second_reading(loaded, location, views)
        return _encoded(views, loaded.buffers)


def _state(root: Any, location: Location) -> Mapping[str, Any]:
    for key in location.keys:
        root = root[key] if type(root) is dict else root[int(key)]
    state: Mapping[str, Any] = root
    return state


def _check_second_reading(
    loaded: Loaded, location: Location, tensors: Mapping[str, Tensor]
) -> None:
    first = {name: _view(tensor) for name, tensor in tensors.items()}
    found = second_reading.views(loaded.pickle, location.keys)
    second: dict[str, View] = {
        name: (view[0], element_of(view[1]), *view[2:])
        for name, view in found.items()
        if name in tensors
    }
    if wrong := second_reading.differing(first, second):
        raise Refusal(f"is read in two ways: two readers of this program disagree on {wrong[0]}")


def _view(tensor: Tensor) -> View:
    storage = tensor.storage
    return (storage.key, tensor.dtype, storage.numel, tensor.offset, tensor.size, tensor.stride)


def _encoded(views: Mapping[str, Tensor], buffers: Mapping[str, memoryview]) -> bytes:
    storages = {view.storage.key: view.storage for view in views.values()}
    keys = {key: str(number) for number, key in enumerate(storages)}
    parts = [b"\x80\x02", _empty_ordered_dict()]
    for name, view in views.items():
        parts += [_text(name), _tensor(view, keys[view.storage.key]), b"s"]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", b"".join([*parts, b"."]))
        archive.writestr("archive/byteorder", b"little")
        for key, number in keys.items():
            archive.writestr(f"archive/data/{number}", buffers[key])
        archive.writestr("archive/version", b"3\n")
    return buffer.getvalue()


def _tensor(view: Tensor, key: str) -> bytes:
    storage = b"".join(
        (b"((", _text("storage"), _global("torch", _type(view)), _text(key), _text("cpu"))
    )
    size = _tuple(view.size) + _tuple(view.stride)
    numel, offset = _int(view.storage.numel), _int(view.offset)
    rebuild = _global("torch._utils", "_rebuild_tensor_v2")
    return (
        rebuild + storage + numel + b"tQ" + offset + size + b"\x89" + _empty_ordered_dict() + b"tR"
    )


def _type(view: Tensor) -> str:
    if view.storage.dtype != view.dtype or view.dtype not in _NAMES:
        raise Refusal(f"holds a tensor of {view.dtype}, which only PyTorch itself can write")
    return _NAMES[view.dtype]


def _empty_ordered_dict() -> bytes:
    return _global("collections", "OrderedDict") + b")R"


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _text(text: str) -> bytes:
    encoded = text.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def _int(number: int) -> bytes:
    if number < 1 << 31:
        return b"J" + struct.pack("<i", number)
    return b"\x8a\x08" + struct.pack("<q", number)


def _tuple(numbers: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(_int, numbers)) + b"t"
