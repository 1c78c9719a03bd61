"""The notebook of the documentation runs, quietly, and shows what it stores."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

import run_notebook

_LARGEST = 500_000  # bytes: a page that a forge shows at once


Run = Callable[[Path], Any]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a notebook as `make notebook` does: in a test, its kernel would not capture what
    libraries write to stderr."""

    def outside_of_a_test(path: Path) -> Any:
        monkeypatch.delenv("PYTEST_CURRENT_TEST")
        return run_notebook.run(path)

    return outside_of_a_test


def shown(notebook: Any) -> list[tuple[str, list[dict[str, str]]]]:
    """Return the code of each cell with the words of its outputs, without numbers and pictures."""
    return [
        (cell.source, [_words(output) for output in cell.outputs])
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def _words(output: Any) -> dict[str, str]:
    data = {"stream": output.text} if output.output_type == "stream" else output.data
    return {
        kind: re.sub(r"[\s\d.e+-]+", " ", text) if kind != "image/png" else "a picture"
        for kind, text in data.items()
    }


def test_it_runs_and_stores_what_it_shows(run: Run) -> None:
    stored = nbformat.read(run_notebook.NOTEBOOK, as_version=4)
    assert shown(run(run_notebook.NOTEBOOK)) == shown(stored), "run `make notebook`"


def test_it_is_small_and_names_no_machine() -> None:
    text = run_notebook.NOTEBOOK.read_text()
    notebook = nbformat.reads(text, as_version=4)
    assert len(text) < _LARGEST and len(notebook.cells) < 25
    assert str(Path.home()) not in text and "/tmp" not in text
    assert sum("image/png" in words for _, outputs in shown(notebook) for words in outputs) == 4


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        ("1 / 0", CellExecutionError, "ZeroDivisionError"),
        ("import sys; print('chatter', file=sys.stderr)", ValueError, "stderr: chatter"),
        ("import os; os.write(2, b'chatter')", ValueError, "stderr: chatter"),
    ],
    ids=["raises", "stderr", "stderr of a library"],
)
def test_a_cell_that_fails_or_chatters_fails_the_run(
    tmp_path: Path, run: Run, source: str, error: type[Exception], said: str
) -> None:
    path = tmp_path / "notebook.ipynb"
    cell = nbformat.v4.new_code_cell(source)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    with pytest.raises(error, match=said):
        run(path)


def test_an_error_of_this_program_is_one_line(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "notebook.ipynb"
    cell = nbformat.v4.new_code_cell("import signbart_port\nsignbart_port.convert('absent.pth')")
    cell.metadata.tags = ["raises-exception"]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    (output,) = run(path).cells[0].outputs
    (line,) = output.traceback
    assert line.startswith("PortError: absent.pth: does not exist")
