"""A config whose heads and joints somebody stated: nothing in the checkpoint shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ORIGIN = "sizes of the tensors, --heads and --joints"
"""The origin of such a config, which the provenance keeps."""
CAUTION = (
    "heads and joints are as --heads and --joints say: no tensor shows them, and the proof passes"
    " with wrong ones"
)


def caution_of(provenance: Mapping[str, Any] | None) -> str | None:
    """Return what to say of a model with this provenance; None where its config was read."""
    return CAUTION if (provenance or {}).get("config_origin") == ORIGIN else None
