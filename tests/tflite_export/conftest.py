from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

import signbart_port
from signbart_port.tflite_export.workers.converter import converted
from signbart_port.verbs.to_tflite import Emitted
from tests.support.converter_in_process import convert_by
from tests.support.framework_models import keras_model
from tests.support.small_models import Once
from tests.support.trained_models import CONFIG, fit_head, write_signs


@pytest.fixture(scope="session")
def signs(once: Once) -> Path:
    """A dataset with a split to calibrate on and one to judge on."""
    return once("signs", lambda folder: write_signs(folder / "signs"))


@pytest.fixture(scope="session")
def fitted_h5(signs: Path, once: Once) -> Path:
    """A small model that knows every sign of that dataset."""

    def make(folder: Path) -> Path:
        keras_model(CONFIG, fit_head(CONFIG, signs)).save(folder / "model.h5")
        return folder / "model.h5"

    return once("fitted", make)


# The options that one mode is tested with, beside its defaults.
MODE_OPTIONS: dict[str, dict[str, Any]] = {
    "int8": {"frames": (4, 16), "preprocessing": True, "softmax": True}
}


@pytest.fixture(scope="session")
def emitted(fitted_h5: Path, signs: Path, once: Once) -> Callable[[str], Emitted]:
    """Its file of each mode, judged on that dataset: of keypoints that are prepared, but int8,
    which is of raw ones, has two lengths, and gives probabilities."""

    def emit(quantization: str, folder: Path) -> Emitted:
        with pytest.MonkeyPatch.context() as patch:
            convert_by(converted, patch)
            return signbart_port.to_tflite(
                fitted_h5,
                folder / "model.tflite",
                quantization=quantization,
                calibration=signs,
                **MODE_OPTIONS.get(quantization, {}),
            )

    return cache(lambda quantization: once(f"emitted_{quantization}", partial(emit, quantization)))
