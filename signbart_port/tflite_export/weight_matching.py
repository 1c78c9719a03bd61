"""The constants of a .tflite that hold the weights of a Keras model: by value, never by name.

The converter's names are chains of what it fused, and other converters have others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.config import SignBartConfig
from signbart_port.parity.tolerances import EPSILON
from signbart_port.tflite import constants, model_file
from signbart_port.tflite.constants import Steps, StoredConstant
from signbart_port.tflite.modes import Precision
from signbart_port.tflite_export.converter_rewrites import Float32, Form, forms, left_out, own_parts

MOST_STEPS = 127
"""The largest int8 value: -128 is not used, so that 0 is in the middle."""

HALF_STEP = 0.5 + MOST_STEPS * EPSILON
"""How many steps a value may be from its int8 neighbor: half of one.

The converter multiplies by the step's reciprocal in float32, which is off by up to two roundings of
a number of at most 127.
"""

SMALLEST_RANGE = np.float32(5e-7)
"""The converter takes this for the largest value of a channel whose values are smaller still."""

SMALLEST_STEP = np.float32(1e-9)
"""ai-edge-quantizer takes this for the largest value of a constant whose values are smaller."""

_SAMPLE = 256  # values that say which of two constants is nearer


@dataclass(frozen=True)
class Held:
    """A weight's form and the constant that has it; `wrong` marks the values that differ, if any
    do."""

    form: Form
    constant: StoredConstant
    wrong: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Matching:
    """The place of every weight in a file.

    `held`, by Keras path: in a constant of their own, the nearest one where none is equal. The
    others are part of these weights' constants, or change nothing and are left out (no bias, a gain
    of one); `missing` are neither. `extra` are the constants that hold no weight.
    """

    held: Mapping[str, Held]
    missing: tuple[str, ...]
    extra: tuple[StoredConstant, ...]


@np.errstate(all="ignore")  # a damaged file may hold anything
def match(
    file: model_file.TFLiteFile, config: SignBartConfig, tensors: Mapping[str, Float32]
) -> Matching:
    """Look for every weight of a Keras model, `tensors` by path, in a file.

    First for equal constants; several weights may share one. What is left on both sides is paired,
    the nearest first. Raises PortError for a damaged file.
    """
    index = _Index(constants.read(file), file.precision)
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
    index.take(Form("", own_parts(config)))
    left = index.left()
    suspects = [
        form
        for path in (tensors if left else ())
        if path not in held
        for form in forms(path, config, tensors, file.frames)
    ]
    placeless = parts | left_out(config)
    for form, place in _nearest(suspects, left, placeless):
        if form.weight not in held and place in left:
            constant = left.pop(place)
            wrong = differs(form.values, constant, file.precision)
            held[form.weight] = Held(form, constant, wrong if wrong.any() else None)
            placeless.update(form.also)
    found = held.keys() | placeless
    return Matching(
        held=held,
        missing=tuple(p for p in tensors if p not in found and not _neutral(p, tensors[p])),
        extra=tuple(left.values()),
    )


@np.errstate(all="ignore")
def differs(
    expected: Float32, stored: StoredConstant, precision: Precision, *, any_steps: bool = False
) -> NDArray[np.bool_]:
    """Mark the values of a constant that a file of this precision must not have.

    Float32 ones must be equal in every bit (but for the sign of a zero, which the converter's sums
    lose), float16 ones rounded to the nearest, integers within half a step, of the size that the
    values' range asks for, unless they may have `any_steps`.
    """
    different: NDArray[np.bool_]
    if stored.values.dtype == np.float16 and precision.spec.float_type == "float16":
        different = _float16(expected) != stored.values
    elif stored.steps is not None and precision.stores_integers:
        different = ~_near(expected, stored)
        if not any_steps:
            different = different | ~_fine(expected, stored, precision)
    else:
        different = expected != stored.real
    return different


def _float16(values: Float32) -> NDArray[np.float16]:
    """Round to float16; what is too large becomes the largest, not infinite."""
    largest = np.finfo(np.float16).max
    return values.clip(-largest, largest).astype(np.float16)


def _near(expected: Float32, stored: StoredConstant) -> NDArray[np.bool_]:
    """Mark the integers that are the nearest to the expected values."""
    assert stored.steps is not None
    size, zero = stored.steps.size.astype(np.float64), stored.steps.zero
    distance = stored.values - zero - expected / size
    # A bias counts in steps of 2^-20 and less: float32 itself is no finer.
    rounding = EPSILON * np.abs(expected) / size
    near: NDArray[np.bool_] = np.abs(distance) <= HALF_STEP + rounding  # NaN is not
    return near


def _fine(expected: Float32, stored: StoredConstant, precision: Precision) -> NDArray[np.bool_]:
    """Return whether the steps of each channel are those that its range requires.

    A dynamic file's are the converter's, to the bit. ai-edge-quantizer spreads a constant that is
    added or multiplied over all integers, zero among them; and counts a bias in the steps of the
    product that it is added to, which nothing here can foretell.
    """
    assert stored.steps is not None
    size, largest = stored.steps.size, stored.largest
    if largest is None:
        return np.ones_like(size, np.bool_)
    whole = tuple(axis for axis, length in enumerate(size.shape) if length == 1)
    span = np.abs(expected).max(axis=whole, keepdims=True)
    if not precision.integer:
        exact: NDArray[np.bool_] = size == np.maximum(span, SMALLEST_RANGE) / np.float32(largest)
        return exact
    low, high = (f(expected, axis=whole, keepdims=True, initial=0) for f in (np.min, np.max))
    coarsest = np.maximum((high - low) / (2 * largest + 1), span / largest)
    fine: NDArray[np.bool_] = size <= np.maximum(coarsest * (1 + 4 * EPSILON), SMALLEST_STEP)
    return fine


def _neutral(path: str, values: Float32) -> bool:
    return bool(np.all(values == float(path.endswith("/gamma"))))


class _Index:
    """A file's constants, found by their shape and their first few values."""

    def __init__(self, stored: Sequence[StoredConstant], precision: Precision) -> None:
        self._all, self._precision = stored, precision
        self._taken = [False] * len(stored)
        self._places: dict[Any, list[int]] = {}
        for place, constant in enumerate(stored):
            key = (constant.values.shape, _exactly(constant.values))
            self._places.setdefault(key, []).append(place)

    def take(self, form: Form) -> StoredConstant | None:
        """Return one of the constants that are equal to this form; all of them count as found."""
        found = [place for place in self._alike(form) if self._equal(form.values, place)]
        for place in found:
            self._taken[place] = True
        return self._all[found[0]] if found else None

    def left(self) -> dict[int, StoredConstant]:
        """Return the constants that were not found, by their place in the file."""
        return {place: c for place, c in enumerate(self._all) if not self._taken[place]}

    def _alike(self, form: Form) -> Iterator[int]:
        shape = form.values.shape
        for values in (form.values, _float16(form.values)):
            yield from self._places.get((shape, _exactly(values)), ())
        corner = (slice(4),) * len(shape)
        for place in self._places.get((shape, None), ()):
            if _near(form.values[corner], _cut(self._all[place], corner)).all():
                yield place

    def _equal(self, values: Float32, place: int) -> bool:
        return not differs(values, self._all[place], self._precision).any()


def _exactly(numbers: NDArray[Any]) -> bytes | None:
    """Return the first few numbers, a key to look equal ones up by; integers are never looked up
    so."""
    if numbers.dtype.kind != "f":
        return None
    return bytes((numbers.ravel()[:16] + numbers.dtype.type(0)).tobytes())  # -0 becomes 0


def _cut(stored: StoredConstant, part: tuple[slice, ...]) -> StoredConstant:
    assert stored.steps is not None
    steps = Steps(stored.steps.size[part], stored.steps.zero[part])
    return StoredConstant(stored.name, stored.values[part], steps)


def _nearest(
    suspects: Sequence[Form], left: Mapping[int, StoredConstant], placeless: set[str]
) -> Iterator[tuple[Form, int]]:
    """Yield forms and the places of constants of their shape, the nearest first; last the weights
    that need no constant of their own, as they are part of others' or left out."""
    samples: dict[tuple[int, ...], dict[int, Any]] = {}
    for place, constant in left.items():
        samples.setdefault(constant.values.shape, {})[place] = _sample(constant.real)
    pairs = []
    for form in suspects:
        if there := samples.get(form.values.shape):
            # Not the largest difference: a single damaged value may be anything.
            distance = np.abs(np.stack(list(there.values())) - _sample(form.values))
            distances = np.nan_to_num(np.median(distance, axis=1), nan=np.inf)
            rank = form.weight in placeless
            pairs += [(rank, d, form, place) for d, place in zip(distances, there, strict=True)]
    for _, _, form, place in sorted(pairs, key=lambda pair: pair[:2]):
        yield form, place


def _sample(values: Float32) -> NDArray[np.float64]:
    return values.ravel()[:: max(1, values.size // _SAMPLE)].astype(np.float64)
