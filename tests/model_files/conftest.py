from __future__ import annotations

import shutil
import signal
from contextlib import contextmanager

import h5py
import pytest

from signbart_port.errors import PortError
from signbart_port.model_files import h5


@contextmanager
def _in_seconds(limit):
    """Fails what would otherwise run for hours."""

    def late(*_):
        raise TimeoutError(f"still running after {limit} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(limit)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def in_seconds():
    return _in_seconds


@pytest.fixture
def spoilt(ported, tmp_path):
    """A copy of model.h5, open for writing."""

    @contextmanager
    def spoil(source="model.h5"):
        shutil.copy(ported / source, tmp_path / "spoilt.h5")
        with h5py.File(tmp_path / "spoilt.h5", "r+") as file:
            yield file

    return spoil


@pytest.fixture
def refusal(tmp_path):
    """The one line with which a file, by default the spoilt one, is refused."""

    def refuse(path=None):
        path = path or tmp_path / "spoilt.h5"
        before = path.read_bytes() if path.is_file() and path.stat().st_size < 10**7 else None
        with _in_seconds(20), pytest.raises(PortError) as refused:
            h5.read(path)
        assert before is None or path.read_bytes() == before
        message = str(refused.value)
        assert message.startswith(f"{path}: ") and message.isprintable()
        return message.removeprefix(f"{path}: ")

    return refuse
