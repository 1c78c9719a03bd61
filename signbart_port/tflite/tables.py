"""The tables of a flatbuffer by the numbers of their fields, without generated code.

For the few fields that are wanted of a .tflite without importing its whole schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
from flatbuffers.number_types import (
    Int32Flags,
    SOffsetTFlags,
    Uint32Flags,
    UOffsetTFlags,
    VOffsetTFlags,
)

ALIGNMENT = 16  # of the data of a .tflite's buffers, as its schema asks (force_align)
_MOST = 100_000  # elements of a vector


class Table:
    """A table in the bytes of a flatbuffer. Raises struct.error or ValueError for damaged ones."""

    def __init__(self, data: Any, place: int) -> None:
        self._table = flatbuffers.table.Table(data, place)

    @classmethod
    def root(cls, data: Any) -> Table:
        return cls(data, flatbuffers.encode.Get(UOffsetTFlags.packer_type, data, 0))

    @property
    def place(self) -> int:
        return int(self._table.Pos)

    @property
    def slots(self) -> int:
        """The number of fields that the table could have."""
        vtable = self.place - self._table.Get(SOffsetTFlags, self.place)
        return (int(self._table.Get(VOffsetTFlags, vtable)) - 4) // 2

    def has(self, slot: int) -> bool:
        return bool(self._offset(slot))

    def number(self, slot: int) -> int:
        """Return an unsigned number of 32 bits, 0 if there is none."""
        offset = self._offset(slot)
        return int(self._table.Get(Uint32Flags, self.place + offset)) if offset else 0

    def target(self, slot: int) -> int:
        """Return the place that a field refers to."""
        return int(self._table.Indirect(self.place + self._offset(slot)))

    def text(self, slot: int) -> str:
        offset = self._offset(slot)
        text: bytes = self._table.String(self.place + offset) if offset else b""
        return text.decode("utf-8", "replace")

    def data(self, slot: int) -> bytes:
        """Return a vector of bytes."""
        start, length = self._vector(slot)
        return bytes(self._table.Bytes[start : start + length])

    def integers(self, slot: int) -> list[int]:
        """Return a vector of numbers of 32 bits."""
        start, length = self._vector(slot)
        if length > _MOST:
            raise ValueError(f"a vector of {length:,} numbers")
        return [int(self._table.Get(Int32Flags, start + 4 * n)) for n in range(length)]

    def tables(self, slot: int) -> list[Table]:
        """Return a vector of tables."""
        start, length = self._vector(slot)
        if length > _MOST:
            raise ValueError(f"a vector of {length:,} tables")
        places = range(start, start + 4 * length, 4)
        return [Table(self._table.Bytes, self._table.Indirect(place)) for place in places]

    def _vector(self, slot: int) -> tuple[int, int]:
        offset = self._offset(slot)
        if not offset:
            return 0, 0
        return int(self._table.Vector(offset)), int(self._table.VectorLen(offset))

    def _offset(self, slot: int) -> int:
        return int(self._table.Offset(4 + 2 * slot))


def table(
    to: Any, slots: int, offsets: Mapping[int, int], numbers: Mapping[int, int] | None = None
) -> int:
    """Write a table of so many fields: `offsets` of what they refer to, `numbers` of one byte."""
    to.StartObject(slots)
    for slot, offset in offsets.items():
        to.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, number in (numbers or {}).items():
        to.PrependUint8Slot(slot, number, 0)
    return int(to.EndObject())


def vector(to: Any, offsets: Sequence[int]) -> int:
    """Write a vector of offsets."""
    to.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        to.PrependUOffsetTRelative(offset)
    return int(to.EndVector())
