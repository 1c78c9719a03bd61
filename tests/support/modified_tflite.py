"""A .tflite as the program converts it, and changed where it is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import flatbuffers
import numpy as np

from signbart_port.data.model_interface import Interface
from signbart_port.tflite import object_tree
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export.conversion import Conversion
from signbart_port.tflite_export.workers import converter

if TYPE_CHECKING:
    from signbart_port.keras_model import SignBart


def convert(
    model: SignBart,
    quantization: Quantization = Quantization.NONE,
    frames: int | tuple[int, ...] | None = None,
) -> bytes:
    """Convert a model as the program does, of one or more lengths, or of one set at run time."""
    lengths = () if frames is None else (frames,) if isinstance(frames, int) else frames
    interface = Interface(model.config.keypoints)
    return converter.converted(model, Conversion(lengths, quantization, interface))


def weights_in(data: bytearray) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Return every constant that is no scalar, by name: views of its values and (int8) its scales.

    Writing into them changes `data`.
    """
    model = object_tree.parsed(data)
    found = {}
    for tensor, raw in _constants(model):
        dtype = {0: "<f4", 1: "<f2", 9: "i1"}.get(tensor.type)
        if dtype and len(tensor.shape):
            name = tensor.name.decode()
            assert name not in found
            scale = tensor.quantization.scale if tensor.type == 9 else None
            found[name] = (raw.view(dtype).reshape(tensor.shape), scale)
    return found


def swapped(data: bytes, one: str, other: str) -> bytes:
    """Return the same graph with two constants in each other's place, found by a part of their
    names."""
    model = object_tree.parsed(data)
    a, b = (
        next(tensor for tensor, _ in _constants(model) if part in tensor.name.decode())
        for part in (one, other)
    )
    assert a.shape.tolist() == b.shape.tolist() and a.type == b.type and a.buffer != b.buffer
    a.buffer, b.buffer = b.buffer, a.buffer
    a.quantization, b.quantization = b.quantization, a.quantization
    return packed(model)


def packed(model: Any) -> bytes:
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def flip(values: np.ndarray, element: int, bit: int) -> None:
    """Flip one bit of one value, counted in C order."""
    number = values.reshape(-1)[element : element + 1].view(f"u{values.itemsize}")
    number ^= number.dtype.type(1 << int(bit))


def _constants(model: Any) -> Iterator[tuple[Any, np.ndarray]]:
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        if data is not None and len(data):
            yield tensor, data
