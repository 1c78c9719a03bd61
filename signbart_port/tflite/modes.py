"""The ways in which a .tflite keeps its numbers, and what each of them promises."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from signbart_port.errors import PortError


class Quantization(Enum):
    """How a .tflite keeps its weights and computes."""

    NONE = "none"
    FLOAT16 = "float16"
    DYNAMIC = "dynamic"
    INT8 = "int8"
    INT8_FULL = "int8_full"
    INT16X8 = "int16x8"

    @property
    def calibrated(self) -> bool:
        """Whether activations are integers, whose ranges must be seen on real clips."""
        return self in (Quantization.INT8, Quantization.INT8_FULL, Quantization.INT16X8)

    @property
    def activation_bits(self) -> int:
        return 16 if self is Quantization.INT16X8 else 8

    @property
    def gate(self) -> Gate:
        """What real clips must show of a file, where nothing else is asked."""
        match self:
            case Quantization.NONE | Quantization.FLOAT16:
                return Gate(min_agreement=1.0, max_drop=0.0)
            case Quantization.DYNAMIC | Quantization.INT16X8:
                return Gate(min_agreement=0.98, max_drop=2.0)
            case Quantization.INT8 | Quantization.INT8_FULL:
                return Gate(min_agreement=0.95, max_drop=2.0)


class Precision(Enum):
    """What a TFLite file stores its weights in, and whether it computes with integers.

    Set by reading the file, never its name.
    """

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    DYNAMIC = "dynamic"
    INT16X8 = "int16x8"
    INT8 = "int8"

    @property
    def integer(self) -> bool:
        """Whether activations are integers, of a range that was seen on real clips."""
        return self in (Precision.INT16X8, Precision.INT8)

    @property
    def stores_integers(self) -> bool:
        """Whether weights are integers, whatever activations are."""
        return self is Precision.DYNAMIC or self.integer


@dataclass(frozen=True)
class Gate:
    """The least share of clips with the Keras model's prediction, and the largest loss of top-1
    accuracy against it, in percentage points."""

    min_agreement: float
    max_drop: float


def known(quantization: Quantization | str) -> Quantization:
    """Raises PortError for a name that is none."""
    try:
        return Quantization(quantization)
    except ValueError:
        names = ", ".join(q.value for q in Quantization)
        raise PortError(
            None, f"quantization {quantization!r} is not available", f"Available: {names}"
        ) from None
