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
from signbart_port.parity.load_pair import LoadedPair
from signbart_port.transfer import WeightMapping
from signbart_port.transfer.suggest.live import Draft, Kept, draft
from signbart_port.verbs._pair_models import PairModels, with_config

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
class Sides:
    """Both models of a pair, as a plan sees them."""

    models: PairModels
    checkpoint: Checkpoint | None
    """Where PyTorch's tensors come from; None: from the pair's own model."""
    keras: Mapping[str, Kept]
    """Keras' variables by path, without their values."""

    @cached_property
    def torch(self) -> Mapping[str, NDArray[Any]]:
        """PyTorch's tensors by name; without a checkpoint, of no values in particular."""
        if self.checkpoint is not None:
            return self.checkpoint.tensors
        made = {}
        for name, shape in self.models.built.shapes.items():
            dtype = np.int64 if name in self.models.built.integers else np.float32
            made[name] = np.broadcast_to(np.zeros((), dtype), shape)
        return made

    def draft(self) -> Draft:
        """Draft a mapping."""
        torch = {name: Kept(a.shape, _floating(a.dtype)) for name, a in self.torch.items()}
        return draft(torch, self.keras, self.models.built.classes, self.models.built.ties)


def open_sides(
    loaded: LoadedPair,
    path: Path | None,
    config: str | Path | None,
    weights: str | None,
    mapping: WeightMapping | None,
) -> Sides:
    """Open both models of a pair; a checkpoint is read by its `mapping`, or by the names of the
    pair's own model."""
    checkpoint = None
    if path is not None and mapping is not None:
        checkpoint = wanted.read(path, mapping, weights)
    elif path is not None:  # for its config
        checkpoint = read_checkpoint(path, _USUAL, weights=weights)
    models = with_config(loaded, config, checkpoint)
    variables = models.keras_model().weights
    keras = {v.path: Kept(tuple(v.shape), _floating(v.dtype)) for v in variables}
    sides = Sides(models, checkpoint, keras)
    if path is None or mapping is not None:
        return sides
    own = _Names(frozenset(models.built.shapes))
    return replace(sides, checkpoint=read_checkpoint(path, _ANY, own, weights))


def loaded_draft(made: Draft, file: Path) -> WeightMapping:
    """Return a draft as the mapping that would be read from `file`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "draft.yaml")
        path.write_text(made.text(file.stem), encoding="utf-8")
        return replace(transfer.load(path), path=file)


def _floating(dtype: Any) -> bool:
    return bool(np.issubdtype(dtype, np.floating))
