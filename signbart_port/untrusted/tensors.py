"""From the description of a tensor in a file to a float32 array, with bounds checked first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from signbart_port.untrusted.refusal import Refusal

_CPU_DTYPES = {  # torch's names -> what NumPy reads; bfloat16 is the upper half of a float32
    "float32": "<f4",
    "float64": "<f8",
    "float16": "<f2",
    "bfloat16": "<u2",
    "int64": "<i8",
    "int32": "<i4",
    "int16": "<i2",
    "int8": "|i1",
    "uint8": "|u1",
    "uint16": "<u2",
    "uint32": "<u4",
    "uint64": "<u8",
    "bool": "|b1",
}
# Dtypes whose storages can be measured but not read as weights.
_OTHER_ITEMSIZES = {
    "complex32": 4,
    "complex64": 8,
    "complex128": 16,
    "qint8": 1,
    "quint8": 1,
    "qint32": 4,
    "quint4x2": 1,
    "quint2x4": 1,
    "float8_e4m3fn": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2": 1,
    "float8_e5m2fnuz": 1,
    "float8_e8m0fnu": 1,
    "float4_e2m1fn_x2": 1,
}
MOST_AXES = 64
"""Of a tensor, in both PyTorch and NumPy."""
ITEMSIZES = {k: np.dtype(v).itemsize for k, v in _CPU_DTYPES.items()} | _OTHER_ITEMSIZES


class Storage(NamedTuple):
    """A run of `numel` elements in the file, found under `key`."""

    dtype: str
    key: str
    numel: int

    @property
    def nbytes(self) -> int:
        return self.numel * ITEMSIZES[self.dtype]


class Tensor(NamedTuple):
    """A strided view of a storage; offset and strides count elements of `dtype`."""

    storage: Storage
    dtype: str
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class Rounding:
    """The effect of rounding one tensor from float64 to float32."""

    changed: int
    largest: float  # absolute change


def tensor(storage: Storage, dtype: str, offset: Any, size: Any, stride: Any) -> Tensor:
    """Return a view that lies inside its storage and claims no more elements than the storage has.

    Raises Refusal for anything else, so that no later step has to doubt a Tensor.
    """
    if type(size) is not tuple or type(stride) is not tuple or len(size) != len(stride):
        raise Refusal("holds a tensor whose shape and strides do not go together")
    if len(size) > MOST_AXES:
        raise Refusal(f"holds a tensor of {len(size):,} axes")
    if any(type(number) is not int or number < 0 for number in (offset, *size, *stride)):
        raise Refusal("holds a tensor with a negative or unreadable shape, stride or offset")
    reach = 0 if 0 in size else 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    needed = max(offset + reach, math.prod(size)) * ITEMSIZES[dtype]
    if needed > storage.nbytes:
        raise Refusal(
            f"holds a tensor that reaches outside its storage: it claims {needed:,} bytes "
            f"of {storage.nbytes:,}"
        )
    return Tensor(storage, dtype, offset, size, stride)


def contiguous(size: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides, in elements, of a C-contiguous tensor of this size."""
    strides = [1]
    for length in size[:0:-1]:
        strides.append(strides[-1] * length)
    return tuple(reversed(strides)) if size else ()


def values(
    name: str, view: Tensor, buffers: Mapping[str, memoryview]
) -> tuple[npt.NDArray[Any], Rounding | None]:
    """Return the tensor as a read-only C-contiguous array, and for float64 what rounding did.

    Floats become float32: float16 and bfloat16 exactly, float64 rounded to nearest. Integers and
    bools keep their dtype. Contiguous, aligned float32 stays a view of the file's bytes. Raises
    Refusal, naming the tensor, for other dtypes and for float64 beyond float32's range.
    """
    if view.dtype not in _CPU_DTYPES:
        raise Refusal(
            f'"{name}" is a {view.dtype} tensor', "Weights are dense floating point tensors"
        )
    dtype = np.dtype(_CPU_DTYPES[view.dtype])
    strides = tuple(s * dtype.itemsize for s in view.stride)
    raw: npt.NDArray[Any] = (
        np.ndarray(
            view.size, dtype, buffers[view.storage.key], view.offset * dtype.itemsize, strides
        )
        if math.prod(view.size)
        else np.empty(view.size, dtype)
    )
    array, rounding = raw, None
    if view.dtype == "bfloat16":
        array = (raw.astype(np.uint32, order="C") << 16).view(np.float32)
    elif view.dtype == "float16":
        array = raw.astype(np.float32, order="C")
    elif view.dtype == "float64":
        array, rounding = _rounded(name, raw)
    array = np.require(array, requirements=("C", "A"))
    array.flags.writeable = False
    return array, rounding


def _rounded(name: str, wide: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Rounding]:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        narrow = wide.astype(np.float32, order="C")
        lost = np.abs(wide - narrow)
    if np.any(np.isinf(narrow) & np.isfinite(wide)):
        raise Refusal(f'"{name}" holds float64 values that overflow float32')
    changed = lost > 0  # false where both are the same infinity, or NaN
    return narrow, Rounding(int(changed.sum()), float(lost.max(initial=0.0, where=changed)))
