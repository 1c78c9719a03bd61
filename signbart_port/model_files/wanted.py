"""What the plan of a mapping wants of a checkpoint, asked by names and shapes alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from signbart_port import config as configs
from signbart_port import transfer
from signbart_port.checkpoint import Checkpoint, NameRules
from signbart_port.checkpoint import read as read_checkpoint
from signbart_port.checkpoint.candidates import Held, Shape
from signbart_port.hub.fetch import origin_of
from signbart_port.model_files.local_weights import local_weights
from signbart_port.transfer import WeightMapping

ONE_EACH = dict.fromkeys(configs.SIZES, 1)
"""For sizes that nothing tells: a model has one of each."""


@dataclass(frozen=True)
class NamesWanted:
    """A `checkpoint.candidates.Wanted`: every tensor that a mapping names, of a model of the sizes
    that shapes tell."""

    mapping: WeightMapping

    def names(self, shapes: Mapping[str, Shape]) -> tuple[frozenset[str], frozenset[str]]:
        """Return the names that are needed, and those that may be absent."""
        return transfer.torch_names(self.mapping, transfer.torch_sizes(self.mapping, shapes))

    def held(self, shapes: Mapping[str, Shape]) -> Held:
        needed, others = self.names(shapes)
        known = (needed | others) & shapes.keys()
        if not needed & known:
            return Held(frozenset(), len(needed))
        return Held(known, len(needed - known))


def rules_of(mapping: WeightMapping) -> NameRules:
    """Return a mapping's rules for the names in a checkpoint."""
    return NameRules(mapping.unwrap, mapping.strip_prefixes, mapping.renamed)


def read(path: str | Path, mapping: WeightMapping, weights: str | None = None) -> Checkpoint:
    """Read a checkpoint, or the one in a folder, for the plan of a mapping.

    `weights` is the key of those that are meant, "ema" for averaged ones. Raises PortError where
    the file cannot be read, or which weights are meant is open.
    """
    path = local_weights(path)
    found = read_checkpoint(path, rules_of(mapping), NamesWanted(mapping), weights)
    origin = origin_of(path)
    return replace(found, notes=(str(origin), *found.notes)) if origin else found
