"""What a pair tells of a checkpoint without its models: whether it takes the config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signbart_port.parity.pair import Pair
from signbart_port.verbs._pair_models import open_pair
from signbart_port.verbs._pair_process import call_with_pair


@dataclass(frozen=True)
class PairConfig:
    """A pair, and the config of a checkpoint as it takes it."""

    pair: str
    """The pair's file and class, or its name."""
    mapping: Path
    config: Mapping[str, Any]
    """Plain values: the user's over the checkpoint's."""
    origin: str
    """Where they come from."""


def config_with_pair(
    path: Path, pair: str | Pair, config: str | Path | None, weights: str | None
) -> PairConfig:
    """Return the config of a checkpoint that a pair takes. Raises PortError as `open_pair`."""
    return call_with_pair(_config, pair, path=path, config=config, weights=weights)


def _config(
    path: Path, pair: str | Pair, config: str | Path | None, weights: str | None
) -> PairConfig:
    opened = open_pair(path, pair, config, weights)
    values = {**opened.stored, **opened.stated}
    return PairConfig(opened.loaded.name, opened.mapping.path, values, opened.origin)
