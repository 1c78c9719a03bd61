"""A pair's file runs in processes of its own, and what it does there harms no command."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

import signbart_port
from signbart_port.errors import PortError
from signbart_port.system import atomic_output
from tests.support.tutorial import written

Program = Callable[..., tuple[int, str, str]]
RECORDS = "import os\nwith open('processes', 'a') as file:\n    print(os.getpid(), file=file)\n"
VERBS = {
    "inspect": ("inspect", "net.pth"),
    "export-converter": ("pair", "export-converter"),
    "plan": ("plan", "net.pth"),
    "convert": ("convert", "net.pth", "--out", "net.weights.h5"),
    "verify": ("verify", "net.pth", "net.weights.h5"),
    "perturb": ("verify", "--perturb"),
    "vary": ("verify", "--vary"),
    "export": ("export", "net.weights.h5", "--out", "back.pth"),
    "tflite": ("tflite", "net.weights.h5", "--out", "net.tflite"),
    "verify of a .tflite": ("verify", "net.pth", "net.tflite"),
}
"""The commands that take a pair, each with what those before it have written."""
CHEAP = ("inspect", "export-converter", "plan")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The tutorial's pair, which records the processes that it is imported in, and prints."""
    monkeypatch.chdir(tmp_path)
    with written(tmp_path):
        pair = tmp_path / "my_pair.py"
        vary = "\n    def vary(self, config):\n        return [{'more': 1}]\n"
        pair.write_text(RECORDS + "print('PRINTED')\n" + pair.read_text() + vary)
        yield tmp_path


def ran_elsewhere(folder: Path) -> bool:
    """Return whether the pair's file was run, and never in this process."""
    processes = {int(line) for line in (folder / "processes").read_text().split()}
    return bool(processes) and os.getpid() not in processes


@pytest.mark.on_commit(*CHEAP)
@pytest.mark.parametrize("verbs", [*((verb,) for verb in CHEAP), VERBS], ids=[*CHEAP, "every verb"])
def test_no_verb_runs_the_file_in_the_commands_process(
    folder: Path, program: Program, verbs: Iterable[str]
) -> None:
    before = list(sys.path)
    for verb in verbs:
        code, printed, _ = program(*VERBS[verb], "--pair", "my_pair.py")
        assert code == 0 and "PRINTED" not in printed, verb
        assert ran_elsewhere(folder), verb
        assert not {"my_models", "signbart_port_pair_my_pair"} & {*sys.modules}, verb
        (folder / "processes").unlink()
    assert sys.path == before


def test_what_it_prints_is_not_the_commands(folder: Path, program: Program) -> None:
    code, printed, said = program("inspect", "net.pth", "--pair", "my_pair.py", "--json")
    assert code == 0 and not said and json.loads(printed)["facts"]["pair"] == "my_pair.py:MyPair"


ENDS = {
    "a status": ("os._exit(3)", "PRINTED"),  # the last that it said
    "no error": ("os._exit(0)", r"ended with status 0"),
    "sys.exit": ("raise SystemExit", r"ended with status"),
    "a signal": ("os.kill(os.getpid(), 11)", r"was ended by SIGSEGV"),
}


@pytest.mark.on_commit("no error", "a signal")
@pytest.mark.parametrize("name", ENDS)
def test_what_ends_its_process_is_one_line(folder: Path, program: Program, name: str) -> None:
    ends, said = ENDS[name]
    pair = folder / "my_pair.py"
    text, cases = pair.read_text(), "        return [signbart_port"
    assert cases in text
    pair.write_text(text.replace(cases, f"        {ends}\n{cases}"))  # once the output is begun
    (folder / "net.keras").write_text("mine")
    (folder / "processes").unlink(missing_ok=True)
    before = {path for path in folder.iterdir() if path.name != "__pycache__"}
    steps: list[str] = []
    with pytest.raises(PortError, match=rf"my_pair.py: the process that runs it fails \({said}"):
        signbart_port.convert_pair(
            "net.pth", "my_pair.py", "net.keras", force=True, progress=steps.append
        )
    assert steps == ["Reading the checkpoint"]
    assert (folder / "net.keras").read_text() == "mine"
    left = {path for path in folder.iterdir() if path.name != "__pycache__"}
    assert left - before == {folder / "processes"}


def test_an_object_of_the_program_stays_in_its_process(folder: Path) -> None:
    from signbart_port.parity.load_pair import load_pair
    from signbart_port.verbs.inspect_file import inspect_file

    pair = load_pair("my_pair.py").pair
    (folder / "processes").unlink()
    assert inspect_file("net.pth", pair=pair).facts["pair"] == "MyPair"
    assert not (folder / "processes").exists()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".net-0123abcd.weights.h5"
    left.write_text("half")
    with atomic_output.replacing(tmp_path / "other.h5", force=False) as temp:
        atomic_output.sweep(tmp_path / "net.weights.h5")
        assert left.exists()  # somebody writes there
        temp.write_text("whole")
    atomic_output.sweep(tmp_path / "net.weights.h5")
    assert not left.exists()
