from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from signbart_port.data.samples import read
from signbart_port.errors import PortError
from tests.support.datasets import Folder, a_clip


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """Assert that a sample of this content is refused in one line that has each word."""

    def check(content: bytes, *words: str) -> str:
        path = tmp_path / "sample.pkl"
        path.write_bytes(content)
        with pytest.raises(PortError) as caught:
            read(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ") and message.isprintable()
        for word in words:
            assert word in message
        assert list(tmp_path.iterdir()) == [path], "a canary"
        return message

    return check


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A dataset of two classes, cat and ant, and five samples in train and test."""
    made = Folder(tmp_path / "signs", {"cat": 0, "ant": 1})
    names = ("train/ant/1", "train/cat/b", "train/cat/a", "test/ant/2", "test/cat/c")
    for seed, name in enumerate(names):
        made.put(name, a_clip(seed, frames=3 + seed))
    return made
