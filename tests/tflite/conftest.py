from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from models import keras_model
from taught import CONFIG, taught, write_signs

import signbart_port
from signbart_port.tflite.emit import Emitted


@pytest.fixture(scope="session")
def signs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with a split to calibrate on and one to judge on."""
    return write_signs(tmp_path_factory.mktemp("signs") / "signs")


@pytest.fixture(scope="session")
def taught_h5(signs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that knows every sign of that dataset."""
    path = tmp_path_factory.mktemp("taught") / "model.h5"
    keras_model(CONFIG, taught(CONFIG, signs)).save(path)
    return path


# All that a mode has to go with, once.
WISHES: dict[str, dict[str, Any]] = {
    "int8": {"frames": (4, 16), "preprocessing": True, "softmax": True}
}


@pytest.fixture(scope="session")
def emitted(
    taught_h5: Path, signs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Emitted]:
    """Its file of each mode, judged on that dataset: of keypoints that are prepared, but int8,
    which is of raw ones, has two lengths, and gives probabilities."""

    @cache
    def of(quantization: str) -> Emitted:
        out = tmp_path_factory.mktemp(quantization) / "model.tflite"
        return signbart_port.to_tflite(
            taught_h5,
            out,
            quantization=quantization,
            calibration=signs,
            **WISHES.get(quantization, {}),
        )

    return of
