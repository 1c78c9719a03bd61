"""The harness sees what a command leaves that was ended by a signal."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

import soak_common
import soak_signals
from soak_signals import Measured
from soak_subjects import File, Subject, Training
from tests.support.shell_programs import program


def measured(subject: Subject, content: object) -> Measured:
    """Return a command that takes a second and writes this."""
    found = Measured(lambda: subject)
    found.life, found.content = 1, content
    return found


@pytest.mark.parametrize(
    ("on_signal", "defect"),
    [
        ("exit 143", ""),
        ("exit 3", "exit code 3"),
        ("echo Traceback >&2; exit 143", "a traceback"),
        ("echo half > $OUT; exit 143", "half written"),
        ("touch $TMPDIR/rest; exit 143", "left rest"),
    ],
)
def test_what_a_signal_leaves_is_a_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_signal: str, defect: str
) -> None:
    (out := tmp_path / "out" / "model.h5").parent.mkdir()
    text = f"OUT={out}\ntrap 'kill %1; {on_signal}' TERM\nsleep 60 &\nwait"
    program(tmp_path, text, monkeypatch)
    draw = random.Random()
    monkeypatch.setattr(draw, "uniform", lambda *_: 0.5)
    subject, scratch = measured(File((), out, b"old"), None), tmp_path / "scratch"
    said = soak_signals.trial(signal.SIGTERM, subject, scratch, 1, draw)[1]
    assert defect in said and bool(said) == bool(defect)


@pytest.mark.parametrize(
    ("text", "defect"),
    [
        ("echo new > $OUT; rm -f $TMPDIR/rest", ""),
        ("echo new > $OUT", "then still rest"),
        ("echo other > $OUT; rm -f $TMPDIR/rest", "then another output"),
        ("exit 3", "then exit code 3"),
    ],
)
def test_the_next_run_sweeps_and_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, defect: str
) -> None:
    (out := tmp_path / "out" / "model.h5").parent.mkdir()
    monkeypatch.setattr(soak_common, "content_of", lambda path: path.read_text())
    first = "touch $TMPDIR/rest; kill -KILL $$"
    program(tmp_path, f"OUT={out}\n[ -e $TMPDIR/rest ] || {{ {first}; }}\n{text}", monkeypatch)
    draw = random.Random()
    monkeypatch.setattr(draw, "uniform", lambda *_: 0.5)
    subject, scratch = measured(File((), out, b"old"), "new\n"), tmp_path / "scratch"
    word, said = soak_signals.trial(signal.SIGKILL, subject, scratch, 0, draw)
    assert "had ended" in word and defect in said and bool(said) == bool(defect)


@pytest.mark.parametrize(
    ("name", "content", "broken"),
    [
        ("logs/log.csv", b"epoch,loss\n1,0.5\n", []),
        ("logs/log.csv", b"epoch,loss\n1", ["half written: log.csv"]),
        ("logs/curves.png", b"\x89PNG", ["half written: curves.png"]),
        ("last.h5", b"", ["half written: "]),
    ],
)
def test_what_is_half_written_of_a_training(
    tmp_path: Path, name: str, content: bytes, broken: list[str]
) -> None:
    training = Training(*(tmp_path / one for one in ("signs.yaml", "signs", "out", "begun")))
    (path := training.out / name).parent.mkdir(parents=True)
    path.write_bytes(content)
    (training.out / ".lock").touch()
    found = training.broken()
    assert [said[: len(one)] for said, one in zip(found, broken, strict=True)] == broken
    assert training.left() == [".lock"]
    assert ("--resume" in training.command()) == (name == "last.h5")
