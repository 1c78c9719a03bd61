"""The files that programs are written for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cards import emit
from tests.support.small_models import Once, small_config
from tests.support.written_programs import FILES, READ


@pytest.fixture(scope="session")
def models(once: Once) -> dict[str, Path]:
    """Files of each kind, by name."""

    def make(folder: Path) -> dict[str, Path]:
        made = {}
        for name, options in FILES.items():
            given = {"config": small_config(joint_idx=READ), "frames": (16,), **options}
            path = folder / f"{name}.tflite"
            made[name] = emit(path, given.pop("config"), given.pop("frames"), **given)
        return made

    return once("written_programs", make)
