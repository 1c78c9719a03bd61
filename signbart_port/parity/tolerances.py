"""Every tolerance of the proof, and why it is what it is.

Nothing is compared with a fixed epsilon. A model in float32 is never exact: how far it may be from
the float64 result is measured, on the same inputs, by how far the reference's own float32 run is
from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

EPSILON = 2.0**-23
"""The gap between float32 numbers, relative to the number."""
_EPSILON64 = 2.0**-52


class Tolerance(Protocol):
    """A limit on the distance of an output from the truth."""

    def limit_of(self, expected: NDArray[np.floating], noise: float) -> float:
        """Return the largest absolute error that an output may have.

        `expected` is what counts of the truth, the examples of a batch first, `noise` the
        reference's own largest float32 error.
        """


@dataclass(frozen=True)
class Criterion:
    """A limit on the distance of an output from float64: `factor` times the reference's own float32
    error on the same inputs, and `ulps` units in the last place of the largest value besides.

    Of outputs in another precision than float32, `epsilon` is the gap between its numbers, relative
    to the number: both terms shrink with it.
    """

    factor: float
    ulps: float
    epsilon: float = EPSILON

    def limit(self, noise: float, scale: float) -> float:
        """Return the largest absolute error that a tap may have.

        `noise` is the reference's own largest float32 error, `scale` the tap's largest value.
        """
        return min(self.uncapped(noise, scale), MOST * scale)

    def limit_of(self, expected: NDArray[np.floating], noise: float) -> float:
        """Return the limit for an output, see `Tolerance`."""
        return self.limit(noise, largest(expected))

    def uncapped(self, noise: float, scale: float) -> float:
        """Return the limit as it would be without `MOST`."""
        return self.factor * noise * self.epsilon / EPSILON + self.ulps * self.epsilon * scale


@dataclass(frozen=True)
class SpreadCriterion:
    """A limit on the distance of an output of rounded weights from float64: a share of its
    spread."""

    share: float

    def limit_of(self, expected: NDArray[np.floating], noise: float) -> float:
        """Return the limit for an output, see `Tolerance`."""
        return self.share * spread(expected)


def rounded_to(share: float | None) -> Tolerance:
    """Return what the logits of a file are held to: a share of their spread where its weights are
    rounded, else (None) the limits of float32."""
    return RUN if share is None else SpreadCriterion(share)


def spread(values: NDArray[np.floating]) -> float:
    """Return the largest distance of a value from its mean over the examples of a batch, so that a
    constant that all share does not help."""
    return largest(values - values.mean(axis=0))


def largest(values: NDArray[np.floating]) -> float:
    """Return the largest absolute value, 0 of none."""
    return float(np.max(np.abs(values), initial=0.0))


# Both sides round every product and sum, in different orders, so the worst of a few thousand
# elements differs by a small factor either way. The factors were set from the errors of random
# models that are known to be right (tools/study.py; docs/parity.md has the figures), with room for
# two fifths more.

ALONE = Criterion(factor=6, ulps=1)
"""For a module that is fed the reference's own inputs: nothing but its own rounding counts. (240
models: no output beyond 0.67 of it.)"""

RUN = Criterion(factor=4, ulps=8)
"""For an output of the whole run. The two runs drift apart before the module is reached; and on a
tap with few elements (T = 1, or the logits) the reference's worst error can be near zero by luck.
(240 models: no output beyond 0.70 of it, no .tflite's logits beyond 0.33.)
"""

STRUCTURE = Criterion(factor=4, ulps=2**13, epsilon=_EPSILON64)
"""For an output of the whole run in float64.

Its rounding follows float32's, 2^29 times smaller. But where PyTorch's float32 error is near zero
by luck (all scores of an attention the same number, say), that of float64 need not be: hence units
in the last place that no lucky error exceeds, and that are still a millionth of the smallest
mistake.
"""

CONSTANTS = 4 * EPSILON
"""The error in float64, relative to the largest value, that constants may cause which the code of a
framework keeps in float32: Keras' own GELU has such a square root of 2, and is 3e-8 off. It is
less than a twentieth of what an epsilon of 1e-6 for one of 1e-5 does."""


@dataclass(frozen=True)
class WithConstants:
    """The limit of `STRUCTURE`, or what constants in float32 may cause."""

    def limit_of(self, expected: NDArray[np.floating], noise: float) -> float:
        """Return the limit for an output, see `Tolerance`."""
        return max(STRUCTURE.limit_of(expected, noise), CONSTANTS * largest(expected))


DOUBT = 4
"""The times that the float32 error of a model that float64 has proven may be beyond its limit:
float32 is too coarse to judge it, and that is said. (Where LayerNorms of two channels amplify each
rounding, right models went to 2.3 times.) What computes in less than float32, as with TF32 or
float16, is a thousand times beyond."""


def in_float32(error: float) -> float:
    """Return what an error in float64 would be in float32: the one is the other's 2^-29."""
    return error * EPSILON / _EPSILON64


UNMEASURED = 16 * EPSILON
"""The float32 error assumed of a reference that has no float64 run, a .tflite, relative to its
logits."""

MOST = 1e-3
"""No limit in float32 is larger than this, relative to the largest value of the tap.

A model whose own float32 error is beyond it is chaotic, and nothing can be proven of it.
"""
