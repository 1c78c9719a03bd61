"""The harness for the worst day finds what is wrong, and says so."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

import soak
import soak_by_command
import soak_command
import soak_common
import soak_flips
import soak_fuzz
import soak_inputs
import soak_limits
import soak_load
import soak_mutations
import soak_writes
from signbart_port.errors import PortError
from soak_catalogue import Bad
from soak_common import Trial
from tests.support.shell_programs import program
from tests.support.small_models import small_config


@pytest.fixture
def files(ported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small model's own files in place of the sample's."""

    def make(folder: Path) -> dict[str, Path]:
        made = {"zip.pth": folder / "zip.pth", "model.h5": folder / "model.h5"}
        shutil.copy(ported / "model.pth", made["zip.pth"])
        shutil.copy(ported / "model.h5", made["model.h5"])
        return made

    monkeypatch.setattr(soak_common, "make_files", make)
    return tmp_path


def done(trials: dict[str, Trial], count: int, state: Path | None = None) -> soak.Run:
    run = soak.Run("part", 1, state)
    run.do(trials, count, None)
    return run


# The run


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    """With the same trials as one that was not interrupted."""
    seen: list[tuple[int, float]] = []

    def trial(number: int, draw: random.Random) -> tuple[str, str]:
        seen.append((number, draw.random()))
        return "seen", "odd" if number % 2 else ""

    trials = {"a": Trial(trial), "b": Trial(trial, most=3)}
    whole = done(trials, 5)
    expected, seen = seen, []
    state = tmp_path / "state.json"
    done(trials, 2, state)
    resumed = done(trials, 5, state)
    assert sorted(seen) == sorted(expected) and len(seen) == 8
    assert resumed.rows == whole.rows and resumed.rows["b"].done == 3
    assert resumed.rows["a"].defects == ["1: odd", "3: odd"]
    with pytest.raises(SystemExit, match="is of part with the seed 1"):
        soak.Run("part", 2, state)
    run = soak.Run("part", 1, None)
    run.do(trials, 5, minutes=0)
    assert run.rows["a"].done <= 1


def test_what_was_done_is_kept_when_the_minutes_are_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count()
    monkeypatch.setattr(soak.time, "monotonic", lambda: next(clock) / 10)
    run = soak.Run("part", 1, tmp_path / "state.json")
    run.do({"a": Trial(lambda *_: ("seen", ""))}, 200, minutes=0.03)
    assert 0 < run.rows["a"].done < 200
    assert soak.Run("part", 1, tmp_path / "state.json").rows == run.rows


def test_a_slow_row_does_not_starve_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "_TURN_SECONDS", 0.0)
    order: list[str] = []

    def trial(name: str) -> Trial:
        return Trial(lambda number, draw: (order.append(name) or "seen", ""))

    done({"a": trial("a"), "b": trial("b")}, 3)
    assert order == ["a", "b"] * 3


@pytest.mark.parametrize(("defect", "code"), [("", 0), ("wrong", 1)])
def test_the_exit_code_and_the_table(
    defect: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = {
        "row": Trial(lambda number, draw: ("word", defect)),
        "other": Trial(lambda *_: ("", "")),
    }
    monkeypatch.setattr(soak_flips, "trials", lambda folder: made)
    monkeypatch.setattr("sys.argv", ["soak.py", "flips", "--count", "2", "--row", "row"])
    with pytest.raises(SystemExit) as end:
        soak.main()
    printed = capsys.readouterr().out
    assert end.value.code == code and "word" in printed and "other" not in printed
    assert ("row, trial 1: wrong" in printed) == bool(defect)


# Flips


@pytest.mark.release
def test_flipped_bits_are_refused_or_without_effect(files: Path) -> None:
    rows = soak_flips.trials(files)
    found = done({name: rows.pop(name) for name in ("zip.pth", "model.h5")}, 25).rows
    for row in found.values():
        assert row.done == 25 and row.counts["refused"] > 5
        assert row.counts["different"] == 0 and row.defects == []
    assert rows.keys() == {"zip.pth, by command", "model.h5, by command"}
    for row in done(rows, 1).rows.values():
        assert row.counts["read"] + row.counts["refused"] == 1 and row.defects == [], row


def test_a_traceback_and_a_silent_difference_are_defects(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = iter(range(100))

    def reader(path: Path) -> int:
        if path.name == "model.h5" and next(seen) % 2:
            raise IndexError("of a parser")
        return hash(path.read_bytes())

    monkeypatch.setattr(soak_common, "content_of", reader)
    rows = soak_flips.trials(files)
    found = done({name: rows[name] for name in ("zip.pth", "model.h5")}, 4).rows
    assert found["zip.pth"].counts["different"] == 4 == len(found["zip.pth"].defects)
    assert any("IndexError: of a parser" in said for said in found["model.h5"].defects)


def ending(said: str, code: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a command say this on stderr and end so, or never, in place of the program's."""

    def command() -> None:
        print(said, end="", file=sys.stderr, flush=True)
        if code is None:
            signal.pause()
        elif code < 0:
            os.kill(os.getpid(), -code)
        sys.exit(code)

    monkeypatch.setattr(soak_common, "SECONDS", 1)
    monkeypatch.setattr(soak_command, "command_line", command)


@pytest.mark.parametrize(
    ("said", "code", "word", "defects"),
    [
        ("signbart-port: a: bad\n", 2, "refused", []),
        ("a warning\n", 0, "read", []),
        ("signbart-port: a: bad\nand more\n", 2, "refused", ["inspect {}: says", "plan {}: says"]),
        ("", 2, "refused", ["inspect {}: says ''", "plan {}: says ''"]),
        ("Traceback", 0, "read", ["inspect {}: a traceback", "plan {}: a traceback"]),
        ("", 1, "else", ["inspect {}: exit code 1", "plan {}: exit code 1"]),
        ("", -signal.SIGKILL, "else", ["inspect {}: exit code -9", "plan {}: exit code -9"]),
        ("", None, "else", ["inspect {}: exit code -9", "not ended after 1 s"]),
    ],
)
def test_commands_on_a_changed_file(
    said: str,
    code: int | None,
    word: str,
    defects: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ending(said, code, monkeypatch)
    (tmp_path / "good").mkdir()
    row = soak_by_command.row("checkpoint", "bad.pth", lambda draw: b"x", tmp_path)
    found = row.run(0, random.Random(0))
    assert found[0] == word and all(one in found[1] for one in defects), found
    assert bool(found[1]) == bool(defects)


def test_a_changed_tflite_may_be_unequal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ending("", 1, monkeypatch)
    (tmp_path / "good").mkdir()
    row = soak_by_command.row("tflite", "bad.tflite", lambda draw: b"x", tmp_path)
    word, defect = row.run(0, random.Random(0))
    assert word == "else or not equal" and defect.count("exit code 1") == 2, defect


# Fuzz


def test_every_change_is_another_file_that_can_be_repeated() -> None:
    text = b"d_model: 8\njoint_idx: [1, 2]\n"
    for change in (soak_mutations.of_bytes, soak_mutations.of_text, soak_mutations.of_pickle):
        made = [change(text, random.Random(number)) for number in range(40)]
        again = [change(text, random.Random(number)) for number in range(40)]
        assert made == again and len({*made}) > 20


@pytest.mark.parametrize(
    ("error", "word", "defect"),
    [
        (PortError("a", "b"), "refused", ""),
        (IndexError("at 3"), "an error", "IndexError: at 3"),
        (RecursionError("deep"), "an error", "RecursionError: deep"),
        (None, "read", ""),
    ],
)
def test_what_a_parser_raises(
    tmp_path: Path, error: Exception | None, word: str, defect: str
) -> None:
    def read(path: Path) -> None:
        if error is not None:
            raise error

    parser = soak_fuzz.Parser((b"abc",), soak_mutations.of_bytes, read)
    assert soak_fuzz.trial(parser, tmp_path, 0, random.Random(0)) == (word, defect)


def test_a_parser_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path) -> None:
        try:
            signal.pause()
        except Exception:
            raise AssertionError from None

    monkeypatch.setattr(soak_common, "SECONDS", 1)
    parser = soak_fuzz.Parser((b"abc",), soak_mutations.of_bytes, read)
    assert soak_fuzz.trial(parser, tmp_path, 0, random.Random(0))[0] == "a hang"


def test_texts_and_clips_are_read_or_refused(tmp_path: Path) -> None:
    """A short run of the parsers that need no model."""
    parsers = soak_fuzz._texts() | soak_fuzz._clips()
    for name, parser in parsers.items():
        words = set()
        for number in range(40):
            word, defect = soak_fuzz.trial(parser, tmp_path / name, number, random.Random(number))
            assert not defect, f"{name}, {number}: {defect}"
            words.add(word)
        assert words <= {"read", "refused"} and "refused" in words, name


# Writes


@pytest.mark.parametrize(
    ("on_error", "defect"),
    [
        ("restore(); print('full', file=sys.stderr); sys.exit(2)", ""),
        ("restore()", "exit code 0, and the old output"),
        ("restore(); sys.exit(3)", "exit code 3"),
        ("out.unlink(); print('full', file=sys.stderr); sys.exit(2)", "output is gone"),
        ("restore(); print('Traceback', file=sys.stderr); sys.exit(2)", "says"),
        ("restore(); rest(); print('full', file=sys.stderr); sys.exit(2)", "left rest"),
    ],
)
@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_a_write_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_error: str, defect: str
) -> None:
    (out := tmp_path / "out" / "a.txt").parent.mkdir()
    (script := tmp_path / "program").write_text(
        f"#!{sys.executable}\n"
        "import os, pathlib, sys\n"
        f"out = pathlib.Path({str(out)!r})\n"
        "def restore(): out.write_bytes(b'the output of yesterday')\n"
        "def rest(): pathlib.Path(os.environ['TMPDIR'], 'rest').touch()\n"
        "try:\n    out.write_bytes(b'new')\n"
        f"except OSError:\n    {on_error}\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(soak_common, "PROGRAM", script)
    library = soak_writes.library(tmp_path)
    failing = soak_writes.Failing(tmp_path, library, soak_writes.Command((), out), "output")
    assert failing.calls() == 2  # the file is opened, and written
    found = "".join(failing.trial(number, random.Random(0))[1] for number in range(2))
    assert defect in found and bool(found) == bool(defect), found


# Bad inputs and limits


@pytest.mark.parametrize(
    ("line", "says", "defect"),
    [
        ("inspect bad.pth", "truncated", ""),
        ("inspect bad.pth", "is a web page", "does not say"),
        ("inspect good.pth", "", "exit code 0"),
        ("convert good.pth --out model.h5 --no-verify", "", "it has left or changed a file"),
    ],
)
def test_a_bad_input_must_be_refused(
    tmp_path: Path, ported: Path, line: str, says: str, defect: str
) -> None:
    (good := tmp_path / "good").mkdir()
    shutil.copy(ported / "model.pth", good / "good.pth")
    bad = Bad(
        "cut", "bad.pth", lambda path: path.write_bytes(b"PK\x03\x04" * 9), says, "checkpoint"
    )
    found = soak_inputs.trial(
        [bad], "inspect", lambda file: line, good, tmp_path / "work", 0, random.Random(0)
    )
    assert defect in found[1] and bool(found[1]) == bool(defect), found


def test_the_catalogue_is_large_and_has_a_verb_for_each(ported: Path, tmp_path: Path) -> None:
    for name in ("model.safetensors", "model.keras", "clip.npy", "clip.npz"):
        (tmp_path / name).write_bytes(b"x" * 100)
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = json.dumps({"a": tensor}).encode()
    (tmp_path / "model.safetensors").write_bytes(
        len(header).to_bytes(8, "little") + header + bytes(4)
    )
    files = {"model.pth": ported / "model.pth", "model.h5": ported / "model.h5"}
    files |= {name: tmp_path / name for name in ("model.safetensors", "clip.npy", "clip.npz")}
    bad = soak_inputs.catalogue(files)
    assert len(bad) >= 200 and {one.kind for one in bad} == soak_inputs.VERBS.keys()


@pytest.mark.parametrize(
    ("text", "word", "defect"),
    [
        ("echo little >&2; exit 2", "refused", ""),
        ("exit 2", "refused", "says ''"),
        ("exit 70", "refused", "exit code 70"),
        ("kill -ABRT $$", "ended by a library", ""),
        ("exit 0", "done", "the output is not what the exit code says"),
    ],
)
def test_a_limit_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, word: str, defect: str
) -> None:
    program(tmp_path, text, monkeypatch)
    memory = next(n for n, (what, _, size) in enumerate(soak_limits.LIMITS) if what == "memory")
    command: tuple[Any, ...] = ("convert", "--out")
    found = soak_limits.trial(command, tmp_path / "work", "a.h5", memory + 5, random.Random(0))
    assert found[0] == word and defect in found[1] and bool(found[1]) == bool(defect)


# Load


@pytest.mark.parametrize(
    ("text", "defect"),
    [
        ("ln -T $TMPDIR/$$ $2 2>&- || { echo signbart-port: there >&2; code=2; }", ""),
        ("cp -T $TMPDIR/$$ $2", "3 of 3 succeeded, and not 1"),
        ("ln -T $TMPDIR/$$ $2 2>&- || exit 70", "exit code 70"),
        ("(set -C; echo 'd_model: [' > $2) || { echo signbart-port: x >&2; code=2; }", "not whole"),
        ("echo signbart-port: x >&2; code=2", "without 1 of 1 outputs"),
    ],
)
def test_commands_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, defect: str
) -> None:
    """Each writes a config of its own, and gives it the output's name."""
    config = json.dumps(small_config().model_dump(mode="json"))
    text = f"code=0; echo '{config}' > $TMPDIR/$$; {text}; rm $TMPDIR/$$; exit $code"
    program(tmp_path, text, monkeypatch)
    out = tmp_path / "out"
    found = soak_load.at_once([("inspect", out / "one.yaml")] * 3, out, 1)[1]
    assert defect in found and bool(found) == bool(defect), found


@pytest.mark.parametrize(
    ("memory", "seconds", "code", "defect"),
    [
        (1 << 30, 60, 0, ""),
        (1 << 20, 60, 0, "MB, more than 1"),
        (1 << 30, 0, 0, "s, more than 0"),
        (1 << 30, 60, 3, "exit code 3"),
    ],
)
def test_a_bound(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    memory: int,
    seconds: float,
    code: int,
    defect: str,
) -> None:
    program(tmp_path, f"sleep 0.6; exit {code}", monkeypatch)
    found = soak_load.bounded((), memory, seconds)[1]
    assert defect in found and bool(found) == bool(defect), found


def test_a_dataset_and_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones in place of the large, given to the program."""
    monkeypatch.setattr(soak_load, "_CLASSES", 2)
    monkeypatch.setattr(soak_load, "_CLIPS", 2)
    command = ("data", "check", soak_load._dataset(tmp_path / "clips"))
    assert soak_load.bounded(command, soak_load._CLIPS_MEMORY)[1] == ""
