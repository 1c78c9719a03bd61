"""The table of quantization modes: how a .tflite keeps its numbers, and what it is held to.

To add a mode, add a member to `Quantization` and its row to `MODES`. To add a precision that no
mode has yet, add a member to `Precision` and its row to `PRECISIONS`. Help texts, defaults and
checks are read from these rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from signbart_port.errors import PortError, listed


class Precision(Enum):
    """The type of a .tflite's weights, and whether it computes with integers.

    Read off the file's bytes, never its name. In order from the finest to the coarsest.
    """

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    DYNAMIC = "dynamic"
    INT16X8 = "int16x8"
    INT8 = "int8"

    @property
    def spec(self) -> PrecisionSpec:
        return PRECISIONS[self]

    @property
    def integer(self) -> bool:
        """Whether activations are integers, in ranges that were measured on real clips."""
        return self.spec.activation_bits < 32

    @property
    def stores_integers(self) -> bool:
        """Whether weights are integers, whatever activations are."""
        return self.spec.weight_type.startswith("INT")


class Quantization(Enum):
    """The quantization modes of `tflite`. Files and command lines hold the values."""

    NONE = "none"
    FLOAT16 = "float16"
    DYNAMIC = "dynamic"
    INT8 = "int8"
    INT8_FULL = "int8_full"
    INT16X8 = "int16x8"

    @property
    def spec(self) -> ModeSpec:
        return MODES[self]

    @property
    def calibrated(self) -> bool:
        """Whether activations are integers, whose ranges must be measured on real clips."""
        return self.spec.precision.integer


@dataclass(frozen=True)
class PrecisionSpec:
    """The marks of files of one precision, and their tolerances."""

    weight_type: str
    """The TensorFlow Lite type of most weights."""
    weight_rule: str | None
    """The rule that every weight is held to, in words. None: equal in every bit."""
    logit_tolerance: float | None
    """How far logits may be from the truth, as a share of their spread (see `PRECISIONS`). None:
    as far as the measured error of float32 allows (`parity.tolerances`)."""
    golden_tolerance: float
    """How far a replayed logit may be from a golden vector, relative to the largest logit."""
    activation_bits: int = 32
    """Bits of an activation. 32 stands for floats."""

    @property
    def activation_type(self) -> str:
        """The TensorFlow Lite type that matrix products give."""
        return "FLOAT32" if self.activation_bits == 32 else f"INT{self.activation_bits}"

    @property
    def float_type(self) -> str:
        """The NumPy type of the constants that are not quantized to integers."""
        return self.weight_type.lower() if self.weight_type.startswith("FLOAT") else "float32"


PRECISIONS: Mapping[Precision, PrecisionSpec] = {
    Precision.FLOAT32: PrecisionSpec(
        weight_type="FLOAT32",
        weight_rule=None,
        logit_tolerance=None,
        golden_tolerance=1e-4,
    ),
    Precision.FLOAT16: PrecisionSpec(
        weight_type="FLOAT16",
        weight_rule="rounded to float16, every one",
        logit_tolerance=0.005,
        golden_tolerance=1e-4,
    ),
    Precision.DYNAMIC: PrecisionSpec(
        weight_type="INT8",
        weight_rule="within half a step of int8, or equal in every bit",
        logit_tolerance=0.08,
        golden_tolerance=0.01,
    ),
    Precision.INT16X8: PrecisionSpec(
        weight_type="INT8",
        weight_rule="within half a step of int8 (what is added or multiplied: int16)",
        logit_tolerance=0.08,
        golden_tolerance=0.01,
        activation_bits=16,
    ),
    Precision.INT8: PrecisionSpec(
        weight_type="INT8",
        weight_rule="within half a step of int8",
        logit_tolerance=0.5,
        golden_tolerance=0.05,
        activation_bits=8,
    ),
}
"""A row for each precision.

The spread of logits is the largest difference of a logit from its mean over the clips. Their
tolerance was measured on six models: float16 0.05 to 0.15 %, dynamic 2.4 % (two trained models) to
5.5 % (four with random weights). A wrong number of heads or two swapped joints in the trained ones:
20 % and more. With random weights, attention is nearly uniform and a wrong number of heads costs 6
to 9 %: no dynamic file can tell. Its graph in float32 can, and is compared besides.

An int8 file's activations are cut to the ranges of its calibration clips, and the clips of the
proof are others: 23 % on a trained model. That limit is for a file that is broken as a whole; what
an integer file is worth is measured on real clips (`tflite_export.gate`).

The tolerance of golden vectors was measured on 60 real clips, LiteRT's kernels against XNNPACK's:
float32 5e-7, dynamic 0.0025, int16x8 6e-5, int8 0.017.
"""


@dataclass(frozen=True)
class Gate:
    """The requirements on a .tflite on real clips."""

    min_agreement: float
    """The least share of clips for which it predicts what the Keras model does."""
    max_drop: float
    """The largest loss of top-1 accuracy against the Keras model, in percentage points."""


@dataclass(frozen=True)
class ModeSpec:
    """The way in which a mode's files are made, and their default gate."""

    precision: Precision
    """The precision of its files."""
    help: str
    """The purpose of the mode, in a few words that follow its name."""
    gate: Gate
    """The requirements on its files on real clips, unless the user sets others."""
    integer_io: bool = False
    """Whether keypoints go in and logits come out as integers."""
    optimize: bool = False
    """Whether TensorFlow's converter stores weights in a smaller type."""
    supported_types: tuple[str, ...] = ()
    """The TensorFlow types that it may store them in. Empty: int8."""
    recipe: str | None = None
    """The recipe of ai-edge-quantizer that quantizes the converter's float32 file. None: the
    converter's file is final."""


_EXACT_GATE = Gate(min_agreement=1.0, max_drop=0.0)
_NEAR_GATE = Gate(min_agreement=0.98, max_drop=2.0)
_INT8_GATE = Gate(min_agreement=0.95, max_drop=2.0)

MODES: Mapping[Quantization, ModeSpec] = {
    Quantization.NONE: ModeSpec(
        precision=Precision.FLOAT32,
        help="float32",
        gate=_EXACT_GATE,
    ),
    Quantization.FLOAT16: ModeSpec(
        precision=Precision.FLOAT16,
        help="half the size, for GPUs",
        gate=_EXACT_GATE,
        optimize=True,
        supported_types=("float16",),
    ),
    Quantization.DYNAMIC: ModeSpec(
        precision=Precision.DYNAMIC,
        help="int8 weights, a quarter of the size, the fastest on CPUs",
        gate=_NEAR_GATE,
        optimize=True,
    ),
    Quantization.INT8: ModeSpec(
        precision=Precision.INT8,
        help="integers inside",
        gate=_INT8_GATE,
        recipe="static_wi8_ai8",
    ),
    Quantization.INT8_FULL: ModeSpec(
        precision=Precision.INT8,
        help="integers at the edges too",
        gate=_INT8_GATE,
        integer_io=True,
        recipe="static_wi8_ai8",
    ),
    Quantization.INT16X8: ModeSpec(
        precision=Precision.INT16X8,
        help="int16 activations, the most accurate",
        gate=_NEAR_GATE,
        recipe="static_wi8_ai16",
    ),
}
"""A row for each mode, in the order of the help text."""


def parse_quantization(quantization: Quantization | str) -> Quantization:
    """Return the mode of this name. Raises PortError if there is none."""
    try:
        return Quantization(quantization)
    except ValueError:
        names = ", ".join(q.value for q in Quantization)
        raise PortError(
            None, f"quantization {quantization!r} is not available", f"Available: {names}"
        ) from None


def precision_of(products: Mapping[str, int], weights: Mapping[str, float]) -> Precision:
    """Return the precision that a file's own bytes show.

    `products` counts its matrix products by the type of their result, `weights` has the share of
    its weights in each type. A file whose activations are integers may keep some operators, and
    their weights, in float.
    """
    half = sum(products.values()) / 2
    most = next((name for name, count in products.items() if count > half), "FLOAT32")
    alike = [p for p in Precision if p.spec.activation_type == most]
    alike = alike or [p for p in Precision if not p.integer]
    return next((p for p in alike if weights.get(p.spec.weight_type, 0) > 0.5), alike[0])


def describe_modes() -> str:
    """Return the help text on all modes: those that need no calibration first."""
    free = [f"{q.value}: {spec.help}." for q, spec in MODES.items() if not q.calibrated]
    calibrated = [f"{q.value}, {spec.help}" for q, spec in MODES.items() if q.calibrated]
    return (
        f"{' '.join(free)} For accelerators, slow on CPUs, and calibrated on real clips:"
        f" {'; '.join(calibrated)}."
    )


def describe_gates(threshold: Callable[[Gate], float]) -> str:
    """Return the help text on a default of the gates, such as "1 for none, 0.95 for int8"."""
    names: dict[float, list[str]] = {}
    for quantization, spec in MODES.items():
        names.setdefault(threshold(spec.gate), []).append(quantization.value)
    return ", ".join(f"{value:g} for {listed(modes)}" for value, modes in names.items())
