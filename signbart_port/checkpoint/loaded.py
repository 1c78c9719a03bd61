"""The content of a container, before the weights in it are looked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


class Loaded(NamedTuple):
    """Nested plain data with `Tensor`s in it, and the bytes of their storages by key."""

    root: Any
    buffers: Mapping[str, memoryview]
    protocol: int | None = None  # of the pickle
    beside: Mapping[str, Any] = {}  # plain data kept outside `root`
    foreign: tuple[str, ...] = ()  # classes and functions that the pickle names and nobody knows
    pickle: bytes | memoryview = b""


@dataclass(frozen=True)
class Location:
    """Where a file keeps its weights: what a second reader needs to find the same ones."""

    files: tuple[Path, ...]
    """The file, or the shards of an index."""
    container: str
    """How each of them keeps tensors: "zip", "legacy" or "safetensors"."""
    keys: tuple[str, ...]
    """The keys, or positions in a list, that lead to the state dict."""
    names: Mapping[str, str]
    """The name in the state dict, by that of the weight."""
    masks: Mapping[str, str] = field(default_factory=dict)
    """The name of the mask in the state dict that a pruned weight is multiplied by, by that of the
    weight."""
    foreign: tuple[str, ...] = ()
    """The classes and functions that the file names and nobody knows."""
