"""Which constant of a .tflite holds which weight of a Keras model: by value, never by name.

The converter's names are chains of what it fused, and other converters have others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.config import SignBartConfig
from signbart_port.parity.tolerances import EPSILON, Precision
from signbart_port.tflite import constants, flatbuffer
from signbart_port.tflite.constants import Stored
from signbart_port.tflite.rewriting import Float32, Form, forms

MOST_STEPS = 127
"""The largest int8 value: -128 is not used, so that 0 is in the middle."""

HALF_STEP = 0.5 + MOST_STEPS * EPSILON
"""How many steps a value may be from its int8 neighbour: half of one.

The converter multiplies by the step's reciprocal in float32, which is off by up to two roundings of
a number of at most 127.
"""

SMALLEST_RANGE = np.float32(5e-7)
"""The converter takes this for the largest value of a channel whose values are smaller still."""

_SAMPLE = 256  # values that say which of two constants is nearer


@dataclass(frozen=True)
class Held:
    """A weight's form and the constant that has it; `wrong` marks the values that differ, if any
    do."""

    form: Form
    constant: Stored
    wrong: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Matching:
    """Where every weight is.

    `held`, by Keras path: in a constant of their own, the nearest one where none is equal. The
    others are part of these weights' constants, or change nothing and are left out (no bias, a gain
    of one); `missing` are neither. `extra` are the constants that hold no weight.
    """

    held: Mapping[str, Held]
    missing: tuple[str, ...]
    extra: tuple[Stored, ...]


@np.errstate(all="ignore")  # a damaged file may hold anything
def match(
    file: flatbuffer.TFLiteFile, config: SignBartConfig, tensors: Mapping[str, Float32]
) -> Matching:
    """Look for every weight of a Keras model, `tensors` by path, in a file.

    First for equal constants; several weights may share one. What is left on both sides is paired,
    the nearest first. Raises PortError for a damaged file.
    """
    index = _Index(constants.read(file.path), file.precision)
    held: dict[str, Held] = {}
    parts: set[str] = set()
    for path in tensors:
        equal = [
            (form, constant)
            for form in forms(path, config, tensors, file.frames)
            if (constant := index.take(form)) is not None
        ]
        if equal:
            held[path] = Held(*equal[0])
            parts.update(other for form, _ in equal for other in form.also)
    left = index.left()
    suspects = [
        form
        for path in (tensors if left else ())
        if path not in held
        for form in forms(path, config, tensors, file.frames)
    ]
    for form, place in _nearest(suspects, left, parts):
        if form.weight not in held and place in left:
            constant = left.pop(place)
            wrong = differs(form.values, constant, file.precision)
            held[form.weight] = Held(form, constant, wrong if wrong.any() else None)
            parts.update(form.also)
    found = held.keys() | parts
    return Matching(
        held=held,
        missing=tuple(p for p in tensors if p not in found and not _neutral(p, tensors[p])),
        extra=tuple(left.values()),
    )


@np.errstate(all="ignore")
def differs(expected: Float32, stored: Stored, precision: Precision) -> NDArray[np.bool_]:
    """Which values of a constant are not what a file of this precision must have.

    Float32 ones must be equal in every bit (but for the sign of a zero, which the converter's sums
    lose), float16 ones rounded to the nearest, int8 ones within half a step, of the size that the
    converter chooses.
    """
    if stored.values.dtype == np.float16 and precision is Precision.FLOAT16:
        return _float16(expected) != stored.values
    if stored.steps is not None and precision is Precision.DYNAMIC:
        size, zero = stored.steps.size, stored.steps.zero
        apart = stored.values - zero - expected.astype(np.float64) / size
        near = np.abs(apart) <= HALF_STEP  # NaN is not
        return ~near | (size != _step(expected, size.shape))
    return expected != stored.real


def _float16(values: Float32) -> NDArray[np.float16]:
    """Rounded to float16; what is too large becomes the largest, not infinite."""
    largest = np.finfo(np.float16).max
    return values.clip(-largest, largest).astype(np.float16)


def _step(values: Float32, shape: Sequence[int]) -> Float32:
    """The size of the int8 steps that the converter takes, in the shape that the file has it."""
    whole = tuple(axis for axis, length in enumerate(shape) if length == 1)
    largest = np.abs(values).max(axis=whole, keepdims=True)
    return np.maximum(largest, SMALLEST_RANGE) / np.float32(MOST_STEPS)


def _neutral(path: str, values: Float32) -> bool:
    return bool(np.all(values == float(path.endswith("/gamma"))))


class _Index:
    """A file's constants, found by their shape and their first few values (int8: their steps)."""

    def __init__(self, stored: Sequence[Stored], precision: Precision) -> None:
        self._all, self._precision = stored, precision
        self._taken = [False] * len(stored)
        self._kinds: dict[Any, dict[Any, None]] = {}
        self._places: dict[Any, list[int]] = {}
        for place, constant in enumerate(stored):
            shape = constant.values.shape
            numbers = constant.values if constant.steps is None else constant.steps.size
            kind = (constant.values.dtype, numbers.shape)
            self._kinds.setdefault(shape, {})[kind] = None
            self._places.setdefault((shape, kind, _first(numbers)), []).append(place)

    def take(self, form: Form) -> Stored | None:
        """The constants that are equal to this form: all count as found, one is returned."""
        found = [place for place in self._alike(form) if self._equal(form, place)]
        for place in found:
            self._taken[place] = True
        return self._all[found[0]] if found else None

    def left(self) -> dict[int, Stored]:
        """The constants that were not found, by their place in the file."""
        return {place: c for place, c in enumerate(self._all) if not self._taken[place]}

    def _alike(self, form: Form) -> Iterator[int]:
        shape = form.values.shape
        for kind in self._kinds.get(shape, ()):
            dtype, of_numbers = kind
            numbers: NDArray[Any] = form.values
            if dtype == np.float16:
                numbers = _float16(numbers)
            elif dtype == np.int8:
                numbers = _step(numbers, of_numbers)
            yield from self._places.get((shape, kind, _first(numbers)), ())

    def _equal(self, form: Form, place: int) -> bool:
        return not differs(form.values, self._all[place], self._precision).any()


def _first(numbers: NDArray[Any]) -> bytes:
    return (numbers.ravel()[:16] + numbers.dtype.type(0)).tobytes()  # -0 becomes 0


def _nearest(
    suspects: Sequence[Form], left: Mapping[int, Stored], parts: set[str]
) -> Iterator[tuple[Form, int]]:
    """Forms and the places of constants of their shape, the nearest first; last the weights that
    are part of others' constants, which need none of their own."""
    samples: dict[tuple[int, ...], dict[int, Any]] = {}
    for place, constant in left.items():
        samples.setdefault(constant.values.shape, {})[place] = _sample(constant.real)
    pairs = []
    for form in suspects:
        if there := samples.get(form.values.shape):
            # Not the largest difference: a single damaged value may be anything.
            apart = np.abs(np.stack(list(there.values())) - _sample(form.values))
            distances = np.nan_to_num(np.median(apart, axis=1), nan=np.inf)
            rank = form.weight in parts
            pairs += [(rank, d, form, place) for d, place in zip(distances, there, strict=True)]
    for _, _, form, place in sorted(pairs, key=lambda pair: pair[:2]):
        yield form, place


def _sample(values: Float32) -> NDArray[np.float64]:
    return values.ravel()[:: max(1, values.size // _SAMPLE)].astype(np.float64)
