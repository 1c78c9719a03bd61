"""PyTorch's own torch.save, in a process of its own: see `writer.torch_bytes`."""

from __future__ import annotations

import io
from collections import OrderedDict
from typing import Any

import numpy as np

from signbart_port.checkpoint.writer import DATA, TorchSave
from signbart_port.system.serving import Arrays, Result, serve


def _run(job: TorchSave, arrays: Arrays) -> Result:
    import torch

    state: Any = OrderedDict((name, torch.from_numpy(arrays[name])) for name in job.layout.names)
    # An attribute of the dict that the unpickler restores: `load_state_dict` reads it.
    state._metadata = OrderedDict(
        (path, {"version": version}) for path, version in job.layout.versions.items()
    )
    # Not to a path: torch.save would put its name, a temporary one, into the archive.
    buffer = io.BytesIO()
    torch.save(state if job.beside is None else {"model": state, **job.beside}, buffer)
    return None, {DATA: np.frombuffer(buffer.getvalue(), np.uint8)}


if __name__ == "__main__":
    serve(TorchSave, _run, framework="torch", memory=6 << 30)
