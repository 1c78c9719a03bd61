"""Every tolerance of the proof, and why it is what it is.

Nothing is compared with a fixed epsilon. A model in float32 is never exact: how far it may be from
the float64 result is measured, on the same inputs, by how far the reference's own float32 run is
from it.
"""

from __future__ import annotations

from enum import Enum

EPSILON = 2.0**-23
"""The gap between float32 numbers, relative to the number."""

FACTOR = 4.0
"""How many times the reference's own float32 error another correct float32 implementation may have.

Both round every product and sum, in different orders; the worst of a few thousand elements then
differs by a small factor either way.
"""

FLOOR = 8 * EPSILON
"""What is allowed besides, relative to the largest value of the tap: eight units in its last place.

On a tap with few elements (T = 1, or the logits) the reference's worst error can be zero by luck.
"""


class Precision(Enum):
    """What a TFLite file stores its weights in.

    Set by reading the file, never its name.
    """

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    DYNAMIC = "dynamic"


UNMEASURED = 16 * EPSILON
"""The float32 error assumed of a reference that has no float64 run, a .tflite, relative to its
logits."""

ROUNDED_WEIGHTS = {Precision.FLOAT16: 0.01, Precision.DYNAMIC: 0.10}
"""How far the logits of a file with rounded weights may be from the truth, relative to the largest
logit.

float16 keeps 11 bits of each weight, dynamic int8 about 7 of weights and activations. These bounds
only tell a working file from a broken one, whose error is of the size of the logits; the error
itself is always printed.
"""


def limit(noise: float, scale: float, precision: Precision = Precision.FLOAT32) -> float:
    """The largest allowed absolute error of a tap.

    `noise` is the reference's own largest float32 error, `scale` the tap's largest absolute value.
    """
    if precision in ROUNDED_WEIGHTS:
        return ROUNDED_WEIGHTS[precision] * scale
    return FACTOR * noise + FLOOR * scale
