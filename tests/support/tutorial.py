"""The pair of docs/pairs.md, as a reader would have it in a folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from pages import fences
from signbart_port.parity.workers.torch_perturbed import perturb

FENCES = fences("docs/pairs.md")


@contextmanager
def written(folder: Path) -> Iterator[Path]:
    """Write the files of the page, and a checkpoint of its model; forget them afterwards."""
    for fence in FENCES:
        if fence.file:
            (folder / fence.file).write_text(fence.text)
    scope: dict[str, Any] = {}
    exec((folder / "my_models.py").read_text(), scope)
    torch.save({"model": perturb(scope["Net"]()).state_dict()}, folder / "net.pth")
    yield folder
    sys.path[:] = [entry for entry in sys.path if entry != str(folder)]
    for name in ("my_models", "signbart_port_pair_my_pair"):
        sys.modules.pop(name, None)
