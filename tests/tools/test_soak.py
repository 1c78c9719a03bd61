"""The harness for the worst day finds what is wrong, and says so."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

import pytest

import soak


@pytest.fixture
def files(ported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small model's own files in place of the sample's."""

    def make(folder: Path) -> dict[str, Path]:
        made = {"zip.pth": folder / "zip.pth", "model.h5": folder / "model.h5"}
        shutil.copy(ported / "model.pth", made["zip.pth"])
        shutil.copy(ported / "model.h5", made["model.h5"])
        return made

    monkeypatch.setattr(soak, "make_files", make)
    return tmp_path


def test_flipped_bits_are_refused_or_without_effect(files: Path) -> None:
    found = soak.flips(files, 25, random.Random(1))
    assert found.keys() == {"zip.pth", "model.h5"}
    for outcomes in found.values():
        assert outcomes.counts.total() == 25 and outcomes.counts["refused"] > 5
        assert outcomes.counts["different"] == 0 and outcomes.defects == []


def test_a_traceback_and_a_silent_difference_are_defects(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = iter(range(100))

    def reader(path: Path) -> int:
        if path.name == "model.h5" and next(seen) % 2:
            raise IndexError("of a parser")
        return hash(path.read_bytes())

    monkeypatch.setattr(soak, "content_of", reader)
    found = soak.flips(files, 4, random.Random(1))
    assert found["zip.pth"].counts["different"] == 4 == len(found["zip.pth"].defects)
    assert any("IndexError: of a parser" in said for said in found["model.h5"].defects)


@pytest.mark.parametrize(
    ("on_signal", "defect"),
    [
        ("exit 3", "exit code 3"),
        ("echo Traceback >&2; exit 143", "a traceback"),
        ("echo half > $OUT; exit 143", "half written"),
        ("touch $TMPDIR/rest; exit 143", "left rest"),
    ],
)
def test_what_a_signal_leaves_is_a_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_signal: str, defect: str
) -> None:
    out = tmp_path / "out" / "model.h5"
    out.parent.mkdir()
    out.write_bytes(b"old")
    (script := tmp_path / "program").write_text(
        f"#!/bin/bash\nOUT={out}\ntrap 'kill %1; {on_signal}' TERM\nsleep 60 &\nwait\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(soak, "PROGRAM", script)
    outcomes = soak.Outcomes()
    soak.trial(signal.SIGTERM, 0.5, (), out, b"old", outcomes)
    assert any(defect in said for said in outcomes.defects), outcomes.defects
