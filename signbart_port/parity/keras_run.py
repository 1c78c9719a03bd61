"""The Keras side of the proof: run a model and see every module's output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any

import keras
import numpy as np

from signbart_port.keras_model import SignBart
from signbart_port.parity.compare import LOGITS, Floats, tap_name
from signbart_port.parity.inputs import Inputs
from signbart_port.parity.proof import Record


def run(model: SignBart, inputs: Inputs, record: Record) -> Floats:
    """Run `model` at inference, `record` every module's output by path, return the logits."""
    with ExitStack() as stack:
        for path, layer in modules(model):
            stack.enter_context(_tapped(layer, path, record))
        logits = np.asarray(model(inputs.keypoints, inputs.attention_mask, training=False))
    record(LOGITS, logits)
    return logits


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
        if not isinstance(output, tuple):
            record(tap_name(path, next(calls)), np.asarray(output))
        return output

    layer.call = call
    try:
        yield
    finally:
        del layer.call
