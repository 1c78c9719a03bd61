"""A site of a small model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import signbart_port
from tests.support.small_models import Once


@pytest.fixture(scope="session")
def small_site(once: Once, small_tflite: Callable[..., Path]) -> Path:
    """The site of a small model of 4 and of 16 frames. Its files are for reading alone."""
    model = small_tflite(4, 16)
    return once("site", lambda folder: signbart_port.write_site(model, folder / "site").folder)
