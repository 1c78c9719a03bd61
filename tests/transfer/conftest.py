from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from signbart_port.model_files import mappings

SIGNBART = mappings.signbart().path


@pytest.fixture
def mutated(tmp_path: Path) -> Callable[[str, str], tuple[Path, int]]:
    """SignBART's mapping with one text replaced, and the first line that this changes."""

    def mutate(old: str, new: str) -> tuple[Path, int]:
        text = SIGNBART.read_text()
        before, found, after = text.partition(old)
        assert found and old != new
        path = tmp_path / "mine.yaml"
        path.write_text(before + new + after)
        lines = zip(text.splitlines(), path.read_text().splitlines(), strict=False)
        return path, next(n for n, (a, b) in enumerate(lines, 1) if a != b)

    return mutate
