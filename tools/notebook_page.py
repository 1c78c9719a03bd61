"""A notebook as a page of Markdown, with its outputs, for a site that shows no notebooks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

NOTEBOOK = Path(__file__).parents[1] / "docs" / "tutorial.ipynb"
_STYLE = re.compile(r"<style.*?</style>", re.DOTALL)  # of pandas: it would be the whole page's
_INDENTED = re.compile(r"\n\s*")  # four spaces, or an empty line, would end a block of HTML


def page(path: Path = NOTEBOOK) -> str:
    """Return the Markdown of a notebook; its pictures and tables are in it."""
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(part for cell in cells for part in _parts(cell)) + "\n"


def _parts(cell: Any) -> Iterator[str]:
    if cell.cell_type == "markdown":
        yield cell.source
        return
    yield _fence("python", cell.source)
    for output in cell.outputs:
        yield _fence("text", output.text) if output.output_type == "stream" else _shown(output.data)


def _shown(data: Any) -> str:
    """Return an output in the richest of its forms, as a notebook does."""
    if "text/html" in data:
        return _INDENTED.sub("\n", _STYLE.sub("", data["text/html"])).strip()
    if "image/png" in data:
        picture = data["image/png"].replace("\n", "")
        return f"![what the cell draws](data:image/png;base64,{picture})"
    return _fence("text", data["text/plain"])


def _fence(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"
