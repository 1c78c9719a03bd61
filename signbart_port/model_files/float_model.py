"""The common part of a checkpoint and a model.h5: a config, and float32 weights in its places."""

from __future__ import annotations

from typing import Protocol, Self

from signbart_port.config import SignBartConfig
from signbart_port.data.model_interface import Interface, of_model
from signbart_port.metrics.flops import of_forward
from signbart_port.tflite.modes import Precision
from signbart_port.transfer import Plan


class _Configured(Protocol):
    @property
    def config(self) -> SignBartConfig: ...

    @property
    def plan(self) -> Plan: ...


class FloatModel:
    """The properties of a model file that follow from its `config` and the `plan` of its weights:
    a base class of the files that have both."""

    @property
    def precision(self) -> Precision:
        return Precision.FLOAT32

    @property
    def interface(self: _Configured) -> Interface:
        return of_model(self.config)

    @property
    def reads(self: _Configured) -> SignBartConfig:
        return self.config

    @property
    def labels(self: _Configured) -> int:
        return self.config.num_labels

    @property
    def class_names(self: _Configured) -> tuple[str, ...] | None:
        return self.config.class_names

    @property
    def frames(self) -> int | None:
        return None

    @property
    def parameters(self: _Configured) -> int:
        return self.plan.parameters

    def flops(self: _Configured, frames: int) -> int | None:
        return of_forward(self.config, frames)

    def signatures(self) -> tuple[Self, ...]:
        return (self,)
