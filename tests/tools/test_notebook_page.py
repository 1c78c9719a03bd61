"""The notebook as a page of the site."""

from __future__ import annotations

from pathlib import Path

import html5lib
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from notebook_page import page


def test_every_cell_and_output_is_in_the_page(tmp_path: Path) -> None:
    outputs = [
        new_output("stream", text="said\n"),
        new_output("display_data", {"image/png": "aGk=\n", "text/plain": "<Figure>"}),
        new_output("execute_result", {"text/plain": "<Report>"}, execution_count=1),
    ]
    cells = [new_markdown_cell("# A title"), new_code_cell("f()", outputs=outputs)]
    nbformat.write(new_notebook(cells=cells), tmp_path / "n.ipynb")
    assert page(tmp_path / "n.ipynb") == (
        "# A title\n\n```python\nf()\n```\n\n```text\nsaid\n```\n\n"
        "![what the cell draws](data:image/png;base64,aGk=)\n\n```text\n<Report>\n```\n"
    )


def test_tables_are_blocks_of_html_without_a_style_sheet() -> None:
    text = page()
    blocks = [block for block in text.split("\n\n") if block.startswith("<div")]
    assert len(blocks) == text.count("<div>") == text.count("</div>") > 4
    for block in blocks:
        assert "<style" not in block and "\n " not in block
        parser = html5lib.HTMLParser(namespaceHTMLElements=False)
        assert list(parser.parseFragment(block).iter("td"))
