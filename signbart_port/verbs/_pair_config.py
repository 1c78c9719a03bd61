"""What a pair tells without its models: its mapping, and whether it takes a config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signbart_port.parity.load_pair import load_pair
from signbart_port.parity.pair import Pair, mapping_path
from signbart_port.verbs._pair_models import open_pair
from signbart_port.verbs._pair_process import call_with_pair


@dataclass(frozen=True)
class PairMapping:
    """A pair by its name, and its mapping."""

    pair: str
    """The pair's file and class, or its name."""
    mapping: Path


@dataclass(frozen=True)
class PairConfig(PairMapping):
    """A pair, and the config of a checkpoint as it takes it."""

    config: Mapping[str, Any]
    """Plain values: the user's over the checkpoint's."""
    origin: str
    """Where they come from."""


def mapping_with_pair(pair: str | Pair) -> PairMapping:
    """Return a pair's mapping. Raises PortError for what is no pair, or has none."""
    return call_with_pair(_mapping, pair)


def config_with_pair(
    path: Path, pair: str | Pair, config: str | Path | None, weights: str | None
) -> PairConfig:
    """Return the config of a checkpoint that a pair takes. Raises PortError as `open_pair`."""
    return call_with_pair(_config, pair, path=path, config=config, weights=weights)


def _mapping(pair: str | Pair) -> PairMapping:
    loaded = load_pair(pair)
    return PairMapping(loaded.name, mapping_path(loaded.pair))


def _config(
    path: Path, pair: str | Pair, config: str | Path | None, weights: str | None
) -> PairConfig:
    opened = open_pair(path, pair, config, weights)
    values = {**opened.stored, **opened.stated}
    return PairConfig(opened.loaded.name, opened.mapping.path, values, opened.origin)
