"""What Keras saved as a model file: its config and its weights. No framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port import transfer
from signbart_port.config import SignBartConfig
from signbart_port.errors import PortError
from signbart_port.model_files import mappings
from signbart_port.model_files.float_model import FloatModel
from signbart_port.transfer import Direction, Plan
from signbart_port.transfer.ops import Array
from signbart_port.untrusted.model_kind import ModelKind


@dataclass(frozen=True)
class KerasModel(FloatModel):
    """The content of a model.h5, a model.keras or a model.weights.h5: a model file, see
    `model_file.ModelFile`.

    `keras_file.read` makes it. Until `check_weights`, `tensors` are what the file has, not what
    `config` asks for.
    """

    path: Path
    sha256: str
    config: SignBartConfig
    tensors: dict[str, NDArray[np.float32]]
    """The weights by variable path."""
    provenance: dict[str, Any] | None
    """The source of the weights; None if another program wrote the file."""
    config_notes: tuple[str, ...] = ()
    """The source of the config; nothing where the file itself holds it."""
    file_notes: tuple[str, ...] = ()
    """What was left behind, or assumed, in reading the file."""
    cautions: tuple[str, ...] = ()
    """The notes to be said however quiet the program is."""

    @property
    def kind(self) -> ModelKind:
        return ModelKind.KERAS

    @property
    def format(self) -> str:
        return "Keras"

    @property
    def proven(self) -> bool:
        """Whether this very file came out of a conversion whose proof passed."""
        proof = (self.provenance or {}).get("proof")
        return isinstance(proof, dict) and proof.get("passed") is True

    @cached_property
    def plan(self) -> Plan:
        return mappings.plan_for(self.config)

    def check_weights(self) -> None:
        """Raise PortError unless the weights are those that the config asks for, and no other."""
        if findings := transfer.check(self.plan, Direction.KERAS_TO_TORCH, self.tensors):
            raise PortError(self.path, transfer.summary(findings))

    @cached_property
    def torch_tensors(self) -> Mapping[str, Array]:
        return dict(transfer.apply(self.plan, Direction.KERAS_TO_TORCH, self.tensors))

    @property
    def keras_tensors(self) -> Mapping[str, Array]:
        return self.tensors

    @property
    def reference_tensors(self) -> Mapping[str, Array]:
        return self.torch_tensors  # the mapping of a model.h5 is SignBART's own

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.config_notes, *self.file_notes, *self.cautions)))
