"""Floats to a file's integers and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from signbart_port.tflite import quantized_io

INT8: dict[str, Any] = {"dtype": np.int8, "quantization": (0.5, -3)}
FLOAT: dict[str, Any] = {"dtype": np.float32, "quantization": (0.0, 0)}


def test_floats_stay_as_they_are() -> None:
    values = np.float32([0.1, np.nan, 3e38])
    assert (
        quantized_io.quantize(values, FLOAT) is values
        and quantized_io.dequantize(values, FLOAT) is values
    )


def test_steps_from_zero() -> None:
    quantized = quantized_io.quantize(np.float32([-1, 0, 0.5, 2]), INT8)
    assert quantized.dtype == np.int8 and quantized.tolist() == [-5, -3, -2, 1]
    restored = quantized_io.dequantize(quantized, INT8)
    assert restored.dtype == np.float32 and restored.tolist() == [-1, 0, 0.5, 2]


def test_the_nearest_integer() -> None:
    values = np.float32([0.24, 0.26, -0.24, -0.26, 0.7, 0.8])
    assert (quantized_io.quantize(values, INT8) + 3).tolist() == [0, 1, 0, -1, 1, 2]


@pytest.mark.parametrize(
    ("dtype", "low", "high"), [(np.int8, -128, 127), (np.int16, -32768, 32767)]
)
def test_what_is_out_of_range_is_the_limit(dtype: Any, low: int, high: int) -> None:
    details = {"dtype": dtype, "quantization": (1e-3, 7)}
    quantized = quantized_io.quantize(np.float32([-1e9, 1e9, 0]), details)
    assert quantized.dtype == dtype and quantized.tolist() == [low, high, 7]


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
def test_there_and_back(dtype: Any) -> None:
    """Every integer is its own; every float comes back within half a step."""
    details = {
        "dtype": dtype,
        "quantization": (np.float32(1 / 255), -128 if dtype == np.int8 else 0),
    }
    every = np.arange(np.iinfo(dtype).min, np.iinfo(dtype).max + 1).astype(dtype)
    np.testing.assert_array_equal(
        quantized_io.quantize(quantized_io.dequantize(every, details), details), every
    )
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    back = quantized_io.dequantize(quantized_io.quantize(values, details), details)
    assert np.abs(back - values).max() <= 0.5 / 255 + 1e-6
