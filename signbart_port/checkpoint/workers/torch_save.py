"""PyTorch's own torch.save, in a process of its own: see `writer.torch_bytes`.

Reads a line of JSON and a .safetensors from stdin, writes the checkpoint to stdout.
"""

from __future__ import annotations

import io
import json
import os
import sys
from typing import BinaryIO

from signbart_port.config import SignBartConfig
from signbart_port.errors import printable


def main(source: BinaryIO, target: BinaryIO) -> None:
    import torch
    from safetensors.torch import load

    from pt_reference import SignBart

    job = json.loads(source.readline())
    # Through the model, so that names, order and metadata are those of model.state_dict().
    model = SignBart(SignBartConfig(**job["config"]))
    model.load_state_dict(load(source.read()), strict=True)
    state = model.state_dict()
    # Not to a path: torch.save would put its name, a temporary one, into the archive.
    buffer = io.BytesIO()
    torch.save(state if job["beside"] is None else {"model": state, **job["beside"]}, buffer)
    target.write(buffer.getbuffer())


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "wb") as stdout:
        os.dup2(2, 1)  # whatever an import prints is no part of the checkpoint
        try:
            main(sys.stdin.buffer, stdout)
        except Exception as error:
            raise SystemExit(f"{type(error).__name__}: {printable(error)}") from None
