"""Run docs/tutorial.ipynb from top to bottom and store what it prints and draws: `make notebook`.

    python tools/run_notebook.py

It fails if a cell raises or writes to stderr: readers would see that in the page.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib.font_manager  # noqa: F401  builds its cache, which a cell would say on stderr
import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

from notebook_page import NOTEBOOK

_SECONDS = 300  # for one cell, on a machine that is busy with other things


def run(path: Path = NOTEBOOK) -> Any:
    """Return the notebook with the outputs of a fresh run in its own folder.

    Raises CellExecutionError if a cell fails, and ValueError for what a cell writes to stderr.
    """
    notebook = nbformat.read(path, as_version=4)
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with tempfile.TemporaryDirectory() as home:
        sockets = {"transport": "ipc", "ip": f"{home}/kernel"}
        client = NotebookClient(
            notebook,
            config=Config(KernelManager=sockets | {"connection_file": f"{home}/kernel.json"}),
            timeout=_SECONDS,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(path.parent)}},
        )
        client.execute(env=os.environ | {"IPYTHONDIR": home, "TMPDIR": home, "PATH": programs})
    if noise := "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.get("name") == "stderr"
    ):
        raise ValueError(f"{path}: writes to stderr: {noise}")
    return notebook


def main() -> None:
    notebook = run()
    notebook.metadata.language_info = {"name": "python"}  # Python's version would only change it
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
