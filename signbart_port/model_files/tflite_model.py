"""A .tflite as a model file: what its bytes and its card say, of one signature at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from pathlib import Path

from signbart_port.data.model_interface import Interface
from signbart_port.errors import PortError
from signbart_port.tflite import metadata, model_file
from signbart_port.tflite.card import Card, without_card
from signbart_port.tflite.flops import flops
from signbart_port.tflite.model_file import TFLiteFile
from signbart_port.tflite.modes import Precision
from signbart_port.tflite.runner import card_notes
from signbart_port.transfer.ops import Array
from signbart_port.untrusted.model_kind import ModelKind


@dataclass(frozen=True)
class TFLiteModel:
    """A signature of a .tflite: a model file, see `model_file.ModelFile`."""

    file: TFLiteFile
    """The signature as the bytes have it."""

    @property
    def path(self) -> Path:
        return self.file.path

    @property
    def kind(self) -> ModelKind:
        return ModelKind.TFLITE

    @property
    def format(self) -> str:
        return f"TFLite {self.precision.value}"

    @property
    def sha256(self) -> str:
        return self.file.sha256

    @property
    def config(self) -> None:
        return None

    @property
    def precision(self) -> Precision:
        return self.file.precision

    @cached_property
    def card(self) -> Card | None:
        """The model card in the file.

        Raises PortError for a damaged one.
        """
        return metadata.read(self.path)

    @property
    def reads(self) -> Card:
        """The card, or what a file without one is taken for."""
        if self.file.contract != (self.card.contract if self.card else None):
            raise PortError(self.path, "has another signature than its card says")
        frames = (self.file.frames,) if self.file.frames else ()
        return self.card or without_card(self.file.joints, frames, self.file.output)

    @property
    def interface(self) -> Interface:
        return replace(self.reads.interface_of(self.path), keypoints=self.file.joints)

    @property
    def labels(self) -> int:
        return self.file.labels

    @property
    def class_names(self) -> tuple[str, ...] | None:
        return self.card.labels if self.card else None

    @property
    def frames(self) -> int | None:
        return self.file.frames

    @property
    def parameters(self) -> int:
        # Masks are boolean, and nothing that a model has learned.
        return sum(prod(one.shape) for one in self.file.constants if one.type != "BOOL")

    def flops(self, frames: int) -> int | None:
        return self._flops.get(frames)

    def signatures(self) -> tuple[TFLiteModel, ...]:
        if len(self.file.lengths) == 1:
            return (self,)
        return tuple(TFLiteModel(one) for one in model_file.read_all(self.path))

    @property
    def plan(self) -> None:
        return None

    @property
    def torch_tensors(self) -> Mapping[str, Array]:
        return {}

    @property
    def keras_tensors(self) -> Mapping[str, Array]:
        return {}

    @property
    def reference_tensors(self) -> Mapping[str, Array]:
        return {}

    @property
    def config_notes(self) -> tuple[str, ...]:
        return ()

    @property
    def notes(self) -> tuple[str, ...]:
        return card_notes(self.path, self.card)

    @property
    def cautions(self) -> tuple[str, ...]:
        return ()

    @cached_property
    def _flops(self) -> Mapping[int, int]:
        return flops(self.path)
