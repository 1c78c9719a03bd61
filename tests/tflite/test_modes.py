"""The table of quantization modes: complete, and with the values that files were promised."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest

from signbart_port.errors import PortError
from signbart_port.tflite.modes import (
    MODES,
    PRECISIONS,
    Gate,
    Precision,
    Quantization,
    describe_gates,
    describe_modes,
    parse_quantization,
    precision_of,
)

INT16_RULE = "within half a step of int8 (what is added or multiplied: int16)"


def test_every_mode_and_precision_has_a_row() -> None:
    assert list(MODES) == list(Quantization)
    assert list(PRECISIONS) == list(Precision)
    assert {spec.precision for spec in MODES.values()} == set(Precision)


@pytest.mark.parametrize(
    ("name", "precision", "agreement", "drop", "calibrated", "integer_io"),
    [
        ("none", Precision.FLOAT32, 1, 0, False, False),
        ("float16", Precision.FLOAT16, 1, 0, False, False),
        ("dynamic", Precision.DYNAMIC, 0.98, 2, False, False),
        ("int8", Precision.INT8, 0.95, 2, True, False),
        ("int8_full", Precision.INT8, 0.95, 2, True, True),
        ("int16x8", Precision.INT16X8, 0.98, 2, True, False),
    ],
)
def test_modes(
    name: str,
    precision: Precision,
    agreement: float,
    drop: float,
    calibrated: bool,
    integer_io: bool,
) -> None:
    quantization = parse_quantization(name)
    assert quantization.value == name and parse_quantization(quantization) is quantization
    spec = quantization.spec
    assert spec.precision is precision and spec.integer_io == integer_io
    assert spec.gate == Gate(min_agreement=agreement, max_drop=drop)
    assert quantization.calibrated == calibrated == (spec.recipe is not None)
    assert not (calibrated and spec.optimize), "the quantizer is given a float32 file"


def test_how_modes_are_made() -> None:
    made = {q.value: (s.optimize, s.supported_types, s.recipe) for q, s in MODES.items()}
    assert made == {
        "none": (False, (), None),
        "float16": (True, ("float16",), None),
        "dynamic": (True, (), None),
        "int8": (False, (), "static_wi8_ai8"),
        "int8_full": (False, (), "static_wi8_ai8"),
        "int16x8": (False, (), "static_wi8_ai16"),
    }


def test_recipes_exist() -> None:
    from ai_edge_quantizer import recipe

    for spec in MODES.values():
        assert spec.recipe is None or callable(getattr(recipe, spec.recipe))


@pytest.mark.parametrize(
    ("name", "logits", "golden", "bits", "rule"),
    [
        ("float32", None, 1e-4, 32, None),
        ("float16", 0.005, 1e-4, 32, "rounded to float16, every one"),
        ("dynamic", 0.08, 0.01, 32, "within half a step of int8, or equal in every bit"),
        ("int16x8", 0.08, 0.01, 16, INT16_RULE),
        ("int8", 0.5, 0.05, 8, "within half a step of int8"),
    ],
)
def test_precisions(
    name: str, logits: float | None, golden: float, bits: int, rule: str | None
) -> None:
    precision = Precision(name)
    spec = precision.spec
    assert (spec.logit_tolerance, spec.golden_tolerance) == (logits, golden)
    assert (spec.activation_bits, spec.weight_rule) == (bits, rule)
    assert precision.integer == (name in ("int8", "int16x8"))
    assert precision.stores_integers == (name in ("dynamic", "int8", "int16x8"))
    assert spec.float_type == ("float16" if name == "float16" else "float32")


def test_from_the_finest_to_the_coarsest() -> None:
    """`verify` holds two files to the tolerance of the coarser one."""
    tolerances = [precision.spec.logit_tolerance or 0 for precision in Precision]
    assert tolerances == sorted(tolerances)


def test_a_precision_is_told_by_types() -> None:
    """By what most products give; of floats by what most weights are."""
    for products, weights in product(("FLOAT32", "INT8", "INT16"), ("FLOAT32", "FLOAT16", "INT8")):
        found = precision_of(Counter({products: 3, "FLOAT32": 1}), {weights: 0.6, "FLOAT32": 0.4})
        assert found.value == {
            ("FLOAT32", "FLOAT32"): "float32",
            ("FLOAT32", "FLOAT16"): "float16",
            ("FLOAT32", "INT8"): "dynamic",
            ("INT8", weights): "int8",
            ("INT16", weights): "int16x8",
        }.get((products, weights)), (products, weights)


@pytest.mark.parametrize(
    ("products", "weights"),
    [
        ({}, {}),
        ({"INT8": 2, "FLOAT32": 2}, {"INT8": 0.5, "FLOAT32": 0.5}),
        ({"INT8": 1, "INT16": 1}, {"FLOAT16": 0.5, "FLOAT32": 0.5}),
        ({"INT32": 3}, {}),
    ],
)
def test_no_majority_is_float32(products: dict[str, int], weights: dict[str, float]) -> None:
    assert precision_of(products, weights) is Precision.FLOAT32


def test_help() -> None:
    assert describe_modes() == (
        "none: float32. float16: half the size, for GPUs."
        " dynamic: int8 weights, a quarter of the size, the fastest on CPUs."
        " For accelerators, slow on CPUs, and calibrated on real clips: int8, integers inside;"
        " int8_full, integers at the edges too; int16x8, int16 activations, the most accurate."
    )
    assert describe_gates(lambda gate: gate.min_agreement) == (
        "1 for none and float16, 0.98 for dynamic and int16x8, 0.95 for int8 and int8_full"
    )
    assert describe_gates(lambda gate: gate.max_drop) == (
        "0 for none and float16, 2 for dynamic, int8, int8_full and int16x8"
    )


def test_an_unknown_mode() -> None:
    with pytest.raises(PortError, match="'int4' is not available"):
        parse_quantization("int4")
