"""The help of every command, as a person at a terminal of 80 columns reads it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from signbart_port.cli._help import EXAMPLES
from signbart_port.cli.main import app

PROGRAM = Path(sys.executable).with_name("signbart-port")


def commands() -> dict[str, Any]:
    """Every command by its words."""
    found = {}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found |= {f"{name} {one}": it for one, it in inner.items()} if inner else {name: command}
    return found


@pytest.mark.parametrize("name", [*commands(), ""])
def test_no_type_of_python_and_nothing_cut(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        app([*name.split(), "--help"])
    printed = capsys.readouterr().out
    assert not re.search(r"<(bool|int|path|str|float|list).*>|INT RANGE|[{}…]", printed)
    assert "--quantize" not in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_paragraphs_are_wrapped_by_the_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        app(["train", "--help"])
    assert "with all that --resume needs to go on from there, whatever" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("model.pth", "Did you mean 'signbart-port convert model.pth'?"),
        ("MODEL.H5", "Did you mean 'signbart-port tflite MODEL.H5'?"),
        ("convrt", "Did you mean 'convert'?"),
        ("data model.pth", "No such command 'model.pth'."),
    ],
)
def test_a_model_in_place_of_a_command(
    words: str, meant: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as end:
        app(words.split())
    assert end.value.code == 2 and f"{meant} " in capsys.readouterr().err


@pytest.mark.parametrize("name", commands())
def test_the_examples_are_commands(name: str) -> None:
    """Every command has two at least, whose options it knows."""
    command = commands()[name]
    examples = EXAMPLES[name.split()[-1]]
    assert len(examples) >= 2
    for line in examples:
        assert f"{line} ".startswith(f"{name} ")
        arguments = shlex.split(line.removeprefix(name))
        assert command.make_context(name, arguments).params  # raises for what it does not know


def test_an_alias_goes_on_working(capsys: pytest.CaptureFixture[str]) -> None:
    context = commands()["tflite"].make_context("tflite", ["m.h5", "--quantize", "dynamic"])
    assert context.params["quantization"] == "dynamic"


def test_the_shell_completes_commands() -> None:
    done = subprocess.run(
        [PROGRAM],
        env=os.environ
        | {
            "_SIGNBART_PORT_COMPLETE": "complete_bash",
            "COMP_WORDS": "signbart-port con",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["convert"]
