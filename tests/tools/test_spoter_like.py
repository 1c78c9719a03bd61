"""The tool that takes the pair `spoter-like` from a dataset to files of every framework."""

from __future__ import annotations

from pathlib import Path

import pytest

import spoter_like
from signbart_port.data import synthetic


@pytest.mark.release
def test_every_file_gives_the_same_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    synthetic.write(tmp_path / "signs", signers=2, classes=3, repetitions=2, seed=0, holdout=1)
    arguments = ["spoter_like.py", str(tmp_path / "signs"), str(tmp_path / "out"), "--epochs", "1"]
    monkeypatch.setattr("sys.argv", arguments)
    assert spoter_like.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("trained on 6 clips: loss")
    assert lines[1].startswith("equal: 32 outputs")
    counts = [line.split(maxsplit=1)[1].partition(",")[0] for line in lines[3:]]
    assert len(counts) == 5 and counts[0] == counts[1] == counts[2]  # the rest is rounded
    assert counts[0].endswith("of 6 clips right")
