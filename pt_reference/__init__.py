"""The reference SignBART in PyTorch (arXiv 2506.21592), written from its specification.

Module and parameter names are those of the checkpoints, so `load_state_dict(strict=True)` reads
them. `signbart_port/keras_model/` mirrors these files one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import signbart_port  # noqa: F401 (it finds the modules of version 0.1 in this package)

if TYPE_CHECKING:
    from pt_reference.model import SignBart

__all__ = ["SignBart"]


def __getattr__(name: str) -> Any:
    """Import PyTorch with the model, and not for `python -m pt_reference.train --help`."""
    if name != "SignBart":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pt_reference.model import SignBart

    return SignBart
