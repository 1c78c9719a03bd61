"""The Keras side of the proof: run a model, or its modules one by one, and see every output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from typing import Any

import keras
import numpy as np

from signbart_port.data.model_inputs import Inputs
from signbart_port.keras_model import SignBart
from signbart_port.parity.compare import LOGITS, Floats, outputs_of
from signbart_port.parity.proof import Call, Isolation, Record
from signbart_port.parity.reference import TorchRun


def run(model: SignBart, inputs: Inputs, record: Record) -> Floats:
    """Run `model` at inference, `record` every module's output by path, return the logits."""
    with ExitStack() as stack:
        for path, layer in modules(model):
            stack.enter_context(_tapped(layer, path, record))
        logits = np.asarray(model(inputs.keypoints, inputs.attention_mask, training=False))
    record(LOGITS, logits)
    return logits


def run_alone(model: SignBart, calls: Iterable[Call], record: Record) -> None:
    """Feed each module the inputs that the reference's had, and `record` its outputs.

    A module that the reference has and the model lacks leaves no output, which fails. The model
    must be of the reference's sizes.
    """
    layers = dict(modules(model))
    for call in calls:
        if call.path in layers:
            output = layers[call.path](*call.inputs(), training=False)
            for tap, value in outputs_of(call.path, call.number, output).items():
                record(tap, np.asarray(value))


def isolation(model: SignBart, reference: TorchRun) -> Isolation:
    """How to run the modules of `model` alone, on the inputs that the reference's had."""
    return Isolation(reference.alone, reference.calls, partial(run_alone, model))


def modules(model: SignBart) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Every layer with its path, which is its PyTorch module's: `decoder.layers.0.fc1`."""

    def walk(layers: list[keras.layers.Layer], parents: tuple[str, ...]) -> Any:
        for layer in layers:
            path = (*parents, layer.name)
            yield ".".join(path), layer
            inner = layer._flatten_layers(include_self=False, recursive=False)
            yield from walk(list(inner), path)

    yield from walk(model.layers, ())


@contextmanager
def _tapped(layer: keras.layers.Layer, path: str, record: Record) -> Iterator[None]:
    original, calls = layer.call, count(1)

    def call(*args: Any, **kwargs: Any) -> Any:
        output = original(*args, **kwargs)
        for tap, value in outputs_of(path, next(calls), output).items():
            record(tap, np.asarray(value))
        return output

    layer.call = call
    try:
        yield
    finally:
        del layer.call
