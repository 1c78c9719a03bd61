"""The object tree of a .tflite to its bytes, each thing written once.

A flatbuffer may refer to one vector from many places. Files of several signatures repeat every
scale, shape and name, and per-channel weights repeat rows of zeros: together a tenth of a small
model's file.
"""

from __future__ import annotations

import re
from collections import Counter
from hashlib import blake2b
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

from signbart_port.tflite.tables import ALIGNMENT

IDENTIFIER = b"TFL3"
_COUNTER = re.compile(rb"_\d+(?=/|$)")


def pack(model: Any, *, every_name: bool = False) -> bytes:
    """Return the bytes of a `schema.ModelT`, which is changed: empty parts are left out.

    Inputs, outputs and constants keep their names; with `every_name` all do, each another in the
    whole model, as a quantizer wants them. Of a name, a chain of all that was fused into the
    tensor, the first link stays, without TensorFlow's counters; names that then are equal are
    counted. Raises ValueError for a model whose data lie outside the tree: `inline` them first.
    """
    if any(buffer.offset for buffer in model.buffers):
        raise ValueError("buffers outside the flatbuffer")
    full = _full_buffers(model)
    seen: Counter[bytes] = Counter()
    for graph in model.subgraphs:
        if not every_name:
            seen.clear()
        named = {*graph.inputs, *graph.outputs}  # the interpreter's users know their names
        for place, tensor in enumerate(graph.tensors):
            if not tensor.name or place in named:
                continue
            if every_name or tensor.buffer in full:
                short = _COUNTER.sub(b"", tensor.name.partition(b";")[0].partition(b":")[0])
                seen[short] += 1
                tensor.name = short if seen[short] == 1 else b"%s:%d" % (short, seen[short])
            else:
                tensor.name = None
            if tensor.quantization is not None and tensor.quantization.scale is None:
                tensor.quantization = None
    _drop_empty_buffers(model)
    builder = _SharingBuilder()
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _drop_empty_buffers(model: Any) -> None:
    """Let the first buffer, empty by convention, stand for every empty one."""
    users = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    users += model.metadata or []
    kept = [0, *sorted(_full_buffers(model) - {0})]
    places = {old: new for new, old in enumerate(kept)}
    for user in users:
        user.buffer = places.get(user.buffer, 0)
    model.buffers = [model.buffers[place] for place in kept]


def _full_buffers(model: Any) -> set[int]:
    return {n for n, b in enumerate(model.buffers) if b.data is not None and len(b.data)}


def inline(model: Any, data: bytes) -> None:
    """Take the data that a quantizer writes after the flatbuffer into the tree of these bytes."""
    for buffer in model.buffers:
        if buffer.offset > 1:  # 0 and 1 stand for none
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0


class _SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]  # it has no types
    """A builder that writes equal vectors and strings once, and buffers at multiples of 16."""

    def __init__(self) -> None:
        super().__init__(1 << 20)
        self._written: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:
        key = (x.dtype.str, blake2b(np.ascontiguousarray(x).data).digest())
        if key not in self._written:
            if x.dtype == np.uint8:
                self.Prep(ALIGNMENT, x.nbytes)
            self._written[key] = super().CreateNumpyVector(x)
        return self._written[key]

    def CreateString(self, s: Any, *encoding: Any) -> int:
        key = ("", s if isinstance(s, bytes) else s.encode())
        if key not in self._written:
            self._written[key] = super().CreateString(s, *encoding)
        return self._written[key]
