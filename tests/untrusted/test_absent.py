"""A path with nothing there."""

from __future__ import annotations

from pathlib import Path

import pytest

from signbart_port.untrusted.absent import absent


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("runs/bets.pth", "Did you mean runs/best.pth?"),
        ("runs/other.h5", "Check the path"),
        ("run/best.pth", "There is no folder run"),
        ("run", "Did you mean runs?"),
        ("runs/best.pth/more", "There is no folder runs/best.pth"),
        ("runs/odd\n.h5x", "Did you mean runs/odd\\n.h5?"),
    ],
)
def test_what_was_meant(
    path: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    for name in ("best.pth", "odd\n.h5"):
        Path("runs", name).touch()
    refusal = absent(path)
    assert (refusal.what, refusal.hint) == ("does not exist", hint)
