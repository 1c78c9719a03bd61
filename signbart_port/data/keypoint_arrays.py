"""The keypoints of a sample as one array, in whatever form they were kept: an array, a masked one,
a tensor, or lists of numbers or of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.data.sample_pickles import SAVE_ARRAYS
from signbart_port.data.stored_array import Masked, StoredArray, TorchTensor
from signbart_port.untrusted.pickle_globals import describe
from signbart_port.untrusted.refusal import Refusal

_MOST_NUMBERS = 32 << 20  # twice an hour of MediaPipe's 75 points: lists are counted twice
_LEAST = 16  # numbers that a small array counts as: making it takes time, too
_NUMBERS, _LISTS = {int, float, type(None)}, {list, tuple}
_NESTED = ("frames", "points", "coordinates")


def is_like_keypoints(value: Any) -> bool:
    """Return whether a value may be keypoints, by its type alone."""
    return type(value) in (StoredArray, Masked, TorchTensor, list, tuple)


def describe_form(value: object) -> str:
    """Return a noun for a value of a sample, for messages."""
    nouns = {StoredArray: "an array", Masked: "a masked array", TorchTensor: "a tensor"}
    return nouns.get(type(value)) or describe(value)


def to_array(value: Any) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return the numbers of `value` as one read-only array, and notes for the user.

    An array comes back as it is. Of lists, all parts must have one shape; they may hold the same
    parts many times, so their numbers are counted before they are copied. A masked point, and one
    with a coordinate that is None, is a missing one. Raises Refusal for anything but numbers.
    """
    building = _Building()
    array = building.array(value, len(_NESTED))
    array.flags.writeable = False
    return array, tuple(building.notes())


class _Building:
    """An array under construction."""

    def __init__(self) -> None:
        self.numbers = self.points = self.masked = self.none = 0

    def notes(self) -> Sequence[str]:
        notes = []
        if self.masked:
            notes.append(f"{self.masked:,} of {self.points:,} points are masked: missing ones")
        if self.none:
            notes.append(f"{self.none:,} coordinates are null: their points are missing ones")
        return notes

    def array(self, value: Any, deepest: int) -> NDArray[Any]:
        """Return the numbers of `value`, whose lists are nested at most `deepest` deep."""
        match value:
            case StoredArray(holds_objects=True):
                return self._of_objects(value, deepest)
            case StoredArray() | TorchTensor():
                array = value.values()
                return array if deepest == len(_NESTED) else self._counted(array)
            case Masked():
                return self._without_masked(value)
            case _ if type(value) in (list, tuple):  # no named tuple, which an inert object is
                return self._of_list(value, deepest)
        if deepest == len(_NESTED):
            raise Refusal(
                f"has keypoints that are {describe_form(value)}, not an array", SAVE_ARRAYS
            )
        raise Refusal(f"has keypoints with {describe_form(value)} among the numbers", SAVE_ARRAYS)

    def _of_objects(self, stored: StoredArray, deepest: int) -> NDArray[Any]:
        if not stored.shape:
            return self.array(stored.objects()[0], deepest)
        flat = self._of_list(stored.objects(), max(1, deepest + 1 - len(stored.shape)))
        return flat.reshape(*stored.shape, *flat.shape[1:])

    def _of_list(self, items: Sequence[Any], deepest: int) -> NDArray[Any]:
        if not deepest:
            raise Refusal(f"has keypoints that are lists, nested deeper than {', '.join(_NESTED)}")
        types = set(map(type, items))
        if types <= _NUMBERS:
            return self._of_numbers(items)
        if types <= _LISTS and deepest > 1 and len(lengths := set(map(len, items))) == 1:
            # A frame's points in one go: one after the other they take most of the time.
            self._count(len(items) * max(1, *lengths))
            flat = list(chain.from_iterable(items))
            if set(map(type, flat)) <= _NUMBERS:
                return self._of_numbers(flat).reshape(len(items), *lengths)
        parts = [self.array(item, deepest - 1) for item in items]
        for place, part in enumerate(parts):
            if part.shape != parts[0].shape:
                raise Refusal(
                    f"has keypoints of several shapes: {_shown(parts[0])} first, then, in place"
                    f" {place}, {_shown(part)}",
                    f"All {_NESTED[len(_NESTED) - deepest]} must have the same",
                )
        return np.stack(parts)

    def _of_numbers(self, items: Sequence[Any]) -> NDArray[Any]:
        self._count(len(items))
        if missing := items.count(None):
            self.none += missing
            items = [float("nan") if item is None else item for item in items]
        if not items or float in map(type, items):
            return np.array(items, np.float64)
        try:
            return np.array(items, np.int64)
        except OverflowError:
            raise Refusal("has keypoints that are too large for numbers") from None

    def _without_masked(self, masked: Masked) -> NDArray[Any]:
        """Return the values, x and y of a point 0 where either is masked."""
        values = self._counted(masked.data.values()).copy()
        hidden = masked.mask.values()
        if not values.ndim:
            raise Refusal("has a single masked value among its keypoints")
        points = hidden[..., :2].any(axis=-1)
        values[points, :2] = 0
        self.masked += int(points.sum())
        self.points += points.size
        return values

    def _counted(self, array: NDArray[Any]) -> NDArray[Any]:
        self._count(array.size)
        return array

    def _count(self, numbers: int) -> None:
        self.numbers += max(_LEAST, numbers)
        if self.numbers > _MOST_NUMBERS:
            raise Refusal(f"has keypoints of more than {_MOST_NUMBERS:,} numbers: not one clip")


def _shown(array: NDArray[Any]) -> str:
    return "×".join(map(str, array.shape)) or "a single value"
