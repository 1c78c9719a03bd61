"""The Keras side of the proof: run a model, or its modules one by one, and see every output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from signbart_port.parity.pair import Arrays, Pair, Tap, tap_of
from signbart_port.parity.proof import Call, Isolation, Record
from signbart_port.parity.taps import LOGITS, Floats, outputs_of, tap_name

if TYPE_CHECKING:
    from signbart_port.parity.reference import RecordedRun

Taps = Mapping[str, Tap]


@dataclass(frozen=True)
class Observed:
    """A layer whose outputs are recorded, under the path of its module of PyTorch."""

    path: str
    layer: keras.layers.Layer
    before_activation: bool = False
    """Whether it is the input of its own activation that is its output here."""


def run(
    pair: Pair,
    model: keras.Model,
    inputs: Arrays,
    taps: Taps,
    record: Record,
    dtype: str = "float32",
    observed: Iterable[Observed] | None = None,
) -> Floats:
    """Run `model` at inference, `record` every module's output by path, return the logits.

    Axes are in PyTorch's order. Inputs of a float type are cast to `dtype`, that of the model.
    `observed` are the layers whose outputs are recorded; None: every one, under its own path.
    """
    tensors = cast(inputs, dtype)
    with ExitStack() as stack:
        for one in _each(model) if observed is None else observed:
            stack.enter_context(_tapped(one, taps, record))
        outputs = pair.call_keras(model, tensors)
    tap = tap_of(taps, LOGITS)
    logits: Floats = tap.in_torch_order(np.asarray(pair.keras_output(outputs)))
    record(LOGITS, logits)
    return logits


def cast(inputs: Arrays, dtype: str) -> Arrays:
    """Return inputs with those of a float type in `dtype`."""
    return {
        name: array.astype(dtype, copy=False) if np.issubdtype(array.dtype, np.floating) else array
        for name, array in inputs.items()
    }


def run_in_float64(
    pair: Pair, config: Any, model: keras.Model, inputs: Arrays, record: Record
) -> Floats:
    """Run the pair's Keras model in float64, with the weights of its `model` in float32, see `run`.

    Raises ValueError for a pair that does not build it in the precision that is set.
    """
    double = _in_float64(pair, config, model)
    return run(pair, double, inputs, pair.taps(config), record, "float64")


def _in_float64(pair: Pair, config: Any, model: keras.Model) -> keras.Model:
    double = in_precision("float64", lambda: pair.keras_model(config))
    carry(model, double)
    return double


def in_precision(dtype: str, build: Callable[[], keras.Model]) -> keras.Model:
    """Return the model that `build` makes where `dtype` is Keras' default."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        return build()
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def carry(model: keras.Model, double: keras.Model) -> None:
    """Give the weights of a model in float32 to one in float64."""
    for variable, source in zip(double.variables, model.variables, strict=True):
        check_in_float64(variable, source)
        variable.assign(source)


def check_in_float64(variable: Any, source: Any) -> None:
    """Raise ValueError unless a variable is what another, or an array, is in float64."""
    wanted = "float64" if np.issubdtype(source.dtype, np.floating) else source.dtype
    if variable.dtype != wanted or tuple(variable.shape) != tuple(source.shape):
        what = f"{variable.path} is {variable.dtype} {tuple(variable.shape)}"
        raise ValueError(f"in float64, {what}, and not {tuple(source.shape)} of float64")


def run_alone(model: keras.Model, calls: Iterable[Call], taps: Taps, record: Record) -> None:
    """Feed each module the inputs that the reference's had, and `record` its outputs.

    A module that the reference has and the model lacks leaves no output, which fails. The model
    must be of the reference's sizes.
    """
    layers = dict(modules(model))
    for call in calls:
        if call.path in layers:
            output = layers[call.path](*call.inputs(), training=False)
            _record(call.path, call.number, output, taps, record)


def run_one(one: Observed, call: int, given: Any, taps: Taps, record: Record) -> None:
    """Feed one layer, and `record` its outputs as those of this call."""

    def first(tap: str, output: Floats) -> None:
        record(tap_name(one.path, call) if tap == one.path else tap, output)

    if one.before_activation:
        with _tapped(one, taps, first):
            one.layer(given, training=False)
    else:
        _record(one.path, call, one.layer(given, training=False), taps, record)


def isolation(model: keras.Model, taps: Taps, reference: RecordedRun) -> Isolation:
    """Return a way to run each module of `model` alone, on the inputs of the reference's module."""

    def alone(calls: Iterable[Call], record: Record) -> None:
        run_alone(model, calls, taps, record)

    return Isolation(reference.alone, reference.calls, alone)


def modules(model: keras.Model) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yield every layer with its path, that of its PyTorch module: `decoder.layers.0.fc1`."""

    def walk(layers: list[keras.layers.Layer], parents: tuple[str, ...]) -> Any:
        for layer in layers:
            path = (*parents, layer.name)
            yield ".".join(path), layer
            inner = layer._flatten_layers(include_self=False, recursive=False)
            yield from walk(list(inner), path)

    yield from walk(model.layers, ())


def _each(model: keras.Model) -> Iterator[Observed]:
    return (Observed(path, layer) for path, layer in modules(model))


@contextmanager
def _tapped(one: Observed, taps: Taps, record: Record) -> Iterator[None]:
    layer, calls = one.layer, count(1)
    function: Any = layer.call
    activation: Any = getattr(layer, "activation", None)

    def call(*args: Any, **kwargs: Any) -> Any:
        output = function(*args, **kwargs)
        _record(one.path, next(calls), output, taps, record)
        return output

    def activate(value: Any) -> Any:
        _record(one.path, next(calls), value, taps, record)
        return activation(value)

    if one.before_activation:
        layer.activation = activate
    else:
        layer.call = call
    try:
        yield
    finally:
        if one.before_activation:
            layer.activation = activation
        else:
            del layer.call


def _record(path: str, call: int, output: Any, taps: Taps, record: Record) -> None:
    tap = tap_of(taps, path)
    for name, value in outputs_of(path, call, output, tap.part).items():
        record(name, tap.in_torch_order(np.asarray(value)))
