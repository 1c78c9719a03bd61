"""The names and shapes of a pair's two models, and the draft of a mapping that joins them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port import transfer
from signbart_port.checkpoint import Checkpoint, NameRules
from signbart_port.checkpoint import read as read_checkpoint
from signbart_port.checkpoint.candidates import Held, Shape
from signbart_port.model_files import wanted
from signbart_port.parity.load_pair import load_pair
from signbart_port.parity.pair import Pair, mapping_path
from signbart_port.parity.workers.torch_shapes import TorchShapes
from signbart_port.system.stderr import silenced_stderr
from signbart_port.transfer import WeightMapping
from signbart_port.transfer.suggest.live import Draft, Kept, draft
from signbart_port.verbs._pair_models import with_config
from signbart_port.verbs._pair_process import call_with_pair

_ANY = NameRules((), ())
_USUAL = NameRules(("model", "state_dict", "model_state_dict"), ("module.", "_orig_mod."))
"""Where weights lie as long as nobody knows their names."""


@dataclass(frozen=True)
class _Names:
    """A `checkpoint.candidates.Wanted`: the tensors of these names."""

    names: frozenset[str]

    def held(self, shapes: Mapping[str, Shape]) -> Held:
        return Held(self.names & shapes.keys(), len(self.names - shapes.keys()))


@dataclass(frozen=True)
class PairFacts:
    """What a pair tells of itself, and of its two models without their weights."""

    name: str
    """The pair's file and class, or its name."""
    mapping: Path
    origin: str
    """Where the config comes from."""
    sizes: Mapping[str, int]
    """The sizes that the pair tells."""
    keras: Mapping[str, Kept]
    """Keras' variables by path."""
    built: TorchShapes | None
    """PyTorch's tensors; None where a checkpoint and a mapping tell them."""


@dataclass(frozen=True)
class Sides:
    """Both models of a pair, as a plan sees them."""

    pair: PairFacts
    checkpoint: Checkpoint | None
    """Where PyTorch's tensors come from; None: from the pair's own model."""

    @property
    def built(self) -> TorchShapes:
        assert self.pair.built is not None
        return self.pair.built

    @cached_property
    def torch(self) -> Mapping[str, NDArray[Any]]:
        """PyTorch's tensors by name; without a checkpoint, of no values in particular."""
        if self.checkpoint is not None:
            return self.checkpoint.tensors
        made = {}
        for name, shape in self.built.shapes.items():
            dtype = np.int64 if name in self.built.integers else np.float32
            made[name] = np.broadcast_to(np.zeros((), dtype), shape)
        return made

    def draft(self) -> Draft:
        """Draft a mapping."""
        torch = {name: Kept(a.shape, _floating(a.dtype)) for name, a in self.torch.items()}
        return draft(torch, self.pair.keras, self.built.classes, self.built.ties)


def open_sides(
    pair: str | Pair,
    path: Path | None,
    config: str | Path | None,
    weights: str | None,
    drafting: bool,
) -> tuple[Sides, WeightMapping | None]:
    """Open both models of a pair, and its mapping, where there is one and none is to be drafted; a
    checkpoint is read by that, or by the names of the pair's own model."""
    given = {"path": path, "config": config, "weights": weights, "drafting": drafting}
    facts = call_with_pair(facts_of, pair, **given)
    mapping = _mapping(facts.mapping, drafting)
    if path is None:
        return Sides(facts, None), mapping
    if mapping is not None:
        return Sides(facts, wanted.read(path, mapping, weights)), mapping
    assert facts.built is not None
    own = _Names(frozenset(facts.built.shapes))
    return Sides(facts, read_checkpoint(path, _ANY, own, weights)), None


def facts_of(
    pair: str | Pair,
    path: Path | None,
    config: str | Path | None,
    weights: str | None,
    drafting: bool,
) -> PairFacts:
    """Load a pair, and build both models; a checkpoint is read for its config."""
    loaded = load_pair(pair)
    mapping = _mapping(mapping_path(loaded.pair), drafting)
    checkpoint = None
    if path is not None and mapping is not None:
        checkpoint = wanted.read(path, mapping, weights)
    elif path is not None:
        checkpoint = read_checkpoint(path, _USUAL, weights=weights)
    with silenced_stderr():
        models = with_config(loaded, config, checkpoint)
        variables = models.keras_model().weights
    return PairFacts(
        loaded.name,
        mapping_path(loaded.pair),
        models.origin,
        models.sizes(),
        {v.path: Kept(tuple(v.shape), _floating(v.dtype)) for v in variables},
        models.built if path is None or mapping is None else None,
    )


def _mapping(file: Path, drafting: bool) -> WeightMapping | None:
    return None if drafting or not file.exists() else transfer.load(file)


def loaded_draft(made: Draft, file: Path) -> WeightMapping:
    """Return a draft as the mapping that would be read from `file`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "draft.yaml")
        path.write_text(made.text(file.stem), encoding="utf-8")
        return replace(transfer.load(path), path=file)


def _floating(dtype: Any) -> bool:
    return bool(np.issubdtype(dtype, np.floating))
