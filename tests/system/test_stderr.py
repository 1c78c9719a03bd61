"""What is held back of stderr, and when it is released."""

from __future__ import annotations

import errno
import os
import tempfile

import pytest

from signbart_port.errors import PortError, ProofError
from signbart_port.system.stderr import silenced_stderr


@pytest.mark.parametrize(
    ("error", "released"),
    [
        (None, False),
        (PortError("a", "b"), False),
        (ProofError("a"), False),
        (OSError(errno.ENOSPC, "full"), False),
        (ImportError("failed to map segment"), False),
        (MemoryError(), False),
        (ZeroDivisionError(), True),
    ],
)
def test_chatter_is_released_for_a_defect_alone(
    error: Exception | None, released: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    try:
        with silenced_stderr():
            os.write(2, b"of C++\n")
            if error is not None:
                raise error
    except Exception as raised:
        assert raised is error
    os.write(2, b"after\n")
    assert capfd.readouterr().err == ("of C++\n" if released else "") + "after\n"


def test_no_room_for_what_is_held_back(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full() -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(PortError, match="cannot hold temporary files"), silenced_stderr():
        raise AssertionError
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
