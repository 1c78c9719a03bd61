"""The content of a container, before the weights in it are looked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Loaded(NamedTuple):
    """Nested plain data with `Tensor`s in it, and the bytes of their storages by key."""

    root: Any
    buffers: Mapping[str, memoryview]
    protocol: int | None = None  # of the pickle
    beside: Mapping[str, Any] = {}  # plain data kept outside `root`
