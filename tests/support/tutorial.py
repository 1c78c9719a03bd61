"""The pair of docs/pairs.md, as a reader would have it in a folder."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from signbart_port.parity.workers.torch_perturbed import perturb

PAGE = Path(__file__).parents[2] / "docs/pairs.md"


@contextmanager
def written(folder: Path) -> Iterator[Path]:
    """Write the files of the page, and a checkpoint of its model; forget them afterwards."""
    texts = re.findall(r"^```\w+\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    models = next(text for text in texts if text.startswith("import keras\n"))
    (folder / "my_models.py").write_text(models.partition("torch_model, keras_model =")[0])
    (folder / "net.yaml").write_text(next(t for t in texts if t.startswith("schema: 2")))
    (folder / "my_pair.py").write_text(next(t for t in texts if t.startswith("# my_pair.py")))
    scope: dict[str, Any] = {}
    exec((folder / "my_models.py").read_text(), scope)
    torch.save({"model": perturb(scope["Net"]()).state_dict()}, folder / "net.pth")
    yield folder
    sys.path[:] = [entry for entry in sys.path if entry != str(folder)]
    for name in ("my_models", "signbart_port_pair_my_pair"):
        sys.modules.pop(name, None)
