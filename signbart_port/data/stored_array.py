"""An array as a stranger's file describes it, checked before it is allocated."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.errors import printable
from signbart_port.untrusted import tensors
from signbart_port.untrusted.pickle_globals import describe, only
from signbart_port.untrusted.refusal import COPY_AGAIN, Refusal

_CODE = re.compile(r"[biufcmMSUV][0-9]{1,5}")  # as in numpy.dtype.str; objects are O
_MOST_AXES = 8


@dataclass
class Dtype:
    """The type of an array's elements: a code such as f4, and a byte order."""

    code: str
    order: str = "="

    def numpy(self) -> np.dtype[Any]:
        """Return the real dtype; raises Refusal for anything but numbers, text and plain bytes."""
        if self.code.startswith("O"):
            raise Refusal("holds an array of Python objects", "Save one array of numbers")
        if not _CODE.fullmatch(self.code) or self.order not in tuple("<>=|"):
            raise Refusal(f'holds an array of the unknown type "{printable(self.code, 40)}"')
        return np.dtype(self.order + self.code)


@dataclass
class StoredArray:
    """An array's description and its bytes."""

    dtype: Dtype
    shape: tuple[int, ...]
    order: str | tuple[int, ...]  # "C", "F", or the order of the axes in memory
    content: bytes | bytearray | str | list[Any]  # text: Latin-1; a list: Python objects

    @property
    def holds_objects(self) -> bool:
        """Whether the elements are Python objects, which `objects` returns."""
        return type(self.dtype) is Dtype and self.dtype.code.startswith("O")

    def objects(self) -> list[Any]:
        """Return the elements of an array of objects, row by row even if the array is stored by
        columns.

        Raises Refusal if they are not as many as the shape says.
        """
        shape = self._shape()
        content: list[Any] = only(list, self.content)
        if math.prod(shape) != len(content):
            raise Refusal(
                f"is damaged: an array of {_shown(shape)} objects holds {len(content):,}",
                COPY_AGAIN,
            )
        return content

    def values(self) -> NDArray[Any]:
        """Return the array, read-only, as a view of the bytes if possible.

        Raises Refusal if type, shape and bytes do not fit together.
        """
        dtype = only(Dtype, self.dtype).numpy()
        shape, content = self._shape(), self.content
        if isinstance(content, str):
            content = content.encode("latin-1")
        if not isinstance(content, bytes | bytearray):
            raise Refusal(f"holds an array whose content is {describe(content)}")
        nbytes = math.prod(shape) * dtype.itemsize
        if nbytes != len(content):
            raise Refusal(
                f"is damaged: an array of {_shown(shape)} {dtype.name} takes {nbytes:,} bytes, it "
                f"holds {len(content):,}",
                COPY_AGAIN,
            )
        order = self.order
        if isinstance(order, tuple):
            array = np.ndarray(shape, dtype, content).transpose(order)
        else:
            array = np.ndarray(shape, dtype, content, order="F" if order == "F" else "C")
        array.flags.writeable = False
        return array

    def _shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = only(tuple, self.shape)
        if len(shape) > _MOST_AXES or any(type(n) is not int or n < 0 for n in shape):
            raise Refusal(f"holds an array of the unusable shape {printable(shape)}")
        return shape


@dataclass
class Masked:
    """A masked array: its values, and which of them do not count."""

    data: StoredArray
    mask: StoredArray  # of bools, in the same shape


@dataclass
class TorchTensor:
    """A tensor of PyTorch: a view, inside its bounds, of elements."""

    view: tensors.Tensor
    elements: memoryview

    def values(self) -> NDArray[Any]:
        """Return the tensor as an array, read-only, float64 as it is.

        Raises Refusal for a type that NumPy does not have.
        """
        storage = self.view.storage
        if self.view.dtype != "float64":
            return tensors.values("keypoints", self.view, {storage.key: self.elements})[0]
        strides = tuple(8 * stride for stride in self.view.stride)
        array = np.ndarray(self.view.size, "<f8", self.elements, 8 * self.view.offset, strides)
        array.flags.writeable = False
        return array


def _shown(shape: tuple[int, ...]) -> str:
    return printable("×".join(map(str, shape)) or "one", 60)
