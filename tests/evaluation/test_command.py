"""The command `evaluate` on evaluations by hand: what it says of their names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from signbart_port.cli import main
from signbart_port.evaluation.result import Evaluation

Make = Callable[..., Evaluation]
Run = Callable[[Evaluation, str], tuple[str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command, whose models and clips give this evaluation."""
    monkeypatch.chdir(tmp_path)

    def command(evaluation: Evaluation, options: str = "") -> tuple[str, str]:
        import signbart_port.verbs.evaluate as verb

        monkeypatch.setattr(verb, "evaluate", lambda *_, **__: evaluation)
        arguments = ["evaluate", "0.h5", "--data", "signs", *options.split()]
        monkeypatch.setattr("sys.argv", ["signbart-port", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
        return capsys.readouterr()

    return command


@pytest.mark.parametrize("options", ["--confusion a.png", "-q --report a.html"])
def test_a_name_that_no_font_has_is_said_where_there_is_a_picture(
    make: Make, run: Run, options: str
) -> None:
    said = "no font has every character of བོད: the picture shows their codes"
    evaluation = make(("བོད", "a"))
    _, err = run(evaluation, options)
    assert err == f"{said}\n"
    assert run(evaluation, "--report a.json")[1] == ""
    if "html" in options:
        assert said in Path("a.html").read_text()


def test_digits_beside_right_to_left_names_stay_in_order(make: Make, run: Run) -> None:
    """A number stands before a name, or after a mark that ends the run of its letters."""
    out, _ = run(make(("مرحبا", "שלום", "wave"), clips=9), "--every-class")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    confused = [line for line in lines if "taken for" in line]
    assert confused and all(re.match(r"\d+ of 9: \w+ taken for \w+$", line) for line in confused)
    rows = [line for line in lines if line.startswith("│")]
    assert [row.split()[1] for row in rows] == ["مرحبا\u200e", "שלום\u200e", "wave"]


def test_the_table_fits_80_columns(make: Make, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """No figure is cut, however long the name of the model is, and however narrow the terminal; in
    a file no name is."""
    monkeypatch.setenv("COLUMNS", "40")
    found = make(("a", "b"))
    (model,) = found.models
    names = ("0.h5", "runs/signs/2026-11/last.h5")
    models = tuple(replace(model, model=name, format="TFLite int16x8") for name in names)
    found = replace(found, models=models)
    in_file = run(found, "")[0].partition("\nsize ")[0].splitlines()
    assert any(names[1] in line for line in in_file) and max(map(len, in_file)) > 80
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "dumb")
    table = run(found, "")[0].partition("\nsize ")[0].splitlines()
    assert max(map(len, table)) <= 80
    (row,) = (line.split() for line in table if "0.h5" in line)
    scores = model.scores
    assert row[-5:-3] == [str(scores.right), f"{scores.top1:.1%}"]
    assert row[-2:] == [f"{scores.top5:.1%}", f"{scores.macro_f1:.3f}"]
