"""The pickles of samples, read by a machine that cannot run anything.

The instructions go through the same machine as those of checkpoints, in place of a restricted
pickle.Unpickler: Python's own runs what its allow-list names, and its C code can be made to fill
the memory (a high memo number) or to overflow the stack (a deep key). Here a name that NumPy
pickles by is a key of a table; the result is only a description (`StoredArray`), which becomes an
array once its bytes are found to be one.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, NamedTuple

from signbart_port.checkpoint import legacy
from signbart_port.data.stored_array import Dtype, Masked, StoredArray, TorchTensor
from signbart_port.errors import printable
from signbart_port.untrusted.pickle_globals import Other, describe, few, only
from signbart_port.untrusted.pickle_machine import Machine
from signbart_port.untrusted.refusal import Refusal
from signbart_port.untrusted.tensors import Storage, tensor

SAVE_ARRAYS = 'Save {"keypoints": a NumPy array, "class": a string} alone'
LARGEST = 64 << 20  # bytes: an hour of MediaPipe's 75 points at 30 frames a second, as float32


class Global(NamedTuple):
    """One of the names of `_CALLS`."""

    name: str


def load(data: bytes) -> Any:
    """Return the content of the pickle `data`: plain data, arrays as `StoredArray` or `Masked`,
    tensors as `TorchTensor`, other objects as `Other`.

    Protocols 2 to 5, by NumPy 1 or 2. Raises Refusal for what is not data; damaged bytes may raise
    any exception (see `untrusted.refusal.naming`).
    """
    stream = io.BytesIO(data)
    root = _Sample(stream).run()
    if rest := len(data) - stream.tell():
        raise Refusal(f"has {rest:,} bytes after the end of its pickle")
    return root


class TorchStorage(NamedTuple):
    """The elements of a PyTorch tensor."""

    storage: Storage
    elements: memoryview


class _Sample(Machine):
    writer = "pickle.dump"
    content = "keypoints"
    remedy = SAVE_ARRAYS
    most_bytes = LARGEST

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.unread = LARGEST  # bytes of storages: one that is named again and again is read again

    def step(self, instruction: str, argument: Any) -> None:
        match instruction:
            case (
                "BINBYTES8" | "BYTEARRAY8" | "BINUNICODE8"  # protocols 4 and 5
                | "BINSTRING" | "SHORT_BINSTRING"  # Python 2
            ):  # fmt: skip
                self.stack.append(argument)
            case _:
                super().step(instruction, argument)

    def resolve(self, module: str, name: str) -> Global:
        full = f"{module}.{name}".replace("__builtin__.", "builtins.", 1)
        full = full.replace("numpy._core.", "numpy.core.", 1)  # NumPy 2's name for the same
        if full not in _CALLS:
            raise Refusal(
                f"is not data: its pickle asks for {printable(f'{module}.{name}')}; nothing of it "
                "was run",
                SAVE_ARRAYS,
            )
        return Global(full)

    def call(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        if type(function) is not Global:
            raise Refusal(f"holds a broken pickle: it calls {describe(function)}")
        made = _CALLS[function.name](*few(arguments))
        if type(made) is TorchStorage:
            self.unread -= max(made.elements.nbytes, _LEAST)
            if self.unread < 0:
                raise Refusal("holds more tensors than one clip", SAVE_ARRAYS)
        return made

    def build(self, made: Any, state: Any) -> None:
        if type(made) is Dtype:
            _version, order, *structure = only(tuple, state)
            if any(structure[:3]):
                raise Refusal("holds an array of a structured type", SAVE_ARRAYS)
            made.order = only(str, order)
        elif type(made) is StoredArray:
            _version, made.shape, made.dtype, fortran, made.content = only(tuple, state)
            made.order = "F" if fortran else "C"
        elif type(made) is Masked:
            _version, shape, dtype, fortran, content, mask, _fill_value = only(tuple, state)
            order = "F" if fortran else "C"
            made.data = StoredArray(dtype, shape, order, content)
            made.mask = StoredArray(Dtype("b1", "|"), shape, order, mask)
        else:
            super().build(made, state)


def _dtype(code: Any, _align: Any = False, _copy: Any = False) -> Dtype:
    return Dtype(only(str, code))


def _to_be_built(kind: Any, _shape: Any, _code: Any) -> StoredArray:
    """Return an array as it is before BUILD: without elements."""
    if type(kind) is not Global or kind.name != "numpy.ndarray":
        raise Refusal(f"holds a broken pickle: an array made of {describe(kind)}")
    return StoredArray(Dtype("f4"), (0,), "C", b"")


def _masked_to_be_built(kind: Any, base: Any, shape: Any, code: Any) -> Masked:
    if type(kind) is not Global or kind.name not in _MASKED:
        raise Refusal(f"holds a broken pickle: a masked array made of {describe(kind)}")
    return Masked(*(_to_be_built(base, shape, code) for _ in range(2)))


def _of_buffer(content: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> StoredArray:
    return StoredArray(dtype, shape, order if axes is None else only(tuple, axes), content)


def _scalar(dtype: Any, content: Any = b"") -> StoredArray:
    return StoredArray(dtype, (), "C", content)


def _bytes(text: Any = "", encoding: Any = "latin1") -> str:
    """Return bytes as protocol 2 spells them. They stay text: encoding them again and again would
    take unbounded memory."""
    if encoding not in ("latin1", "latin-1"):
        raise Refusal(f"holds a broken pickle: bytes in the encoding {printable(encoding)}")
    return str(only(str, text))


def _ordered_dict() -> dict[Any, Any]:
    return {}


def _torch_storage(content: Any) -> TorchStorage:
    """Read a storage as pickle keeps it: the file that torch.save wrote before PyTorch 1.6."""
    if isinstance(content, str):
        content = content.encode("latin-1")
    loaded = legacy.load(only(bytes, content))
    storage = only(Storage, loaded.root)
    return TorchStorage(storage, loaded.buffers[storage.key])


def _torch_tensor(of: Any, offset: Any, size: Any, stride: Any, *_rest: Any) -> TorchTensor:
    storage, elements = only(TorchStorage, of)
    return TorchTensor(tensor(storage, storage.dtype, offset, size, stride), elements)


def _torch_parameter(data: Any, _requires_grad: Any, _hooks: Any) -> Any:
    return data


def _inert(what: str) -> Callable[..., Any]:
    return lambda *_arguments: Other(what)


_LEAST = 1 << 12  # bytes: what reading the smallest storage costs is more than its elements
_MASKED = ("numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray")
_CALLS: dict[str, Callable[..., Any]] = {
    "numpy.core.multiarray._reconstruct": _to_be_built,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _of_buffer,
    "numpy.dtype": _dtype,
    "numpy.ndarray": _inert("an array that nobody filled"),
    "numpy.ma.core._mareconstruct": _masked_to_be_built,
    **dict.fromkeys(_MASKED, _inert("a masked array that nobody filled")),
    "torch._utils._rebuild_tensor_v2": _torch_tensor,
    "torch._utils._rebuild_parameter": _torch_parameter,
    "torch.storage._load_from_bytes": _torch_storage,
    "_codecs.encode": _bytes,
    "builtins.bytes": _bytes,
    "builtins.bytearray": _inert("a bytearray"),
    "builtins.complex": _inert("a complex number"),
    "builtins.frozenset": _inert("a set"),
    "builtins.set": _inert("a set"),
    "collections.OrderedDict": _ordered_dict,
}
