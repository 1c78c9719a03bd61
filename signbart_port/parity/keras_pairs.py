"""The layers of any Keras model as the proof sees them: their pairs, layouts, a copy in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from math import prod
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from signbart_port.errors import printable
from signbart_port.parity.keras_run import Observed, Taps, carry, in_precision, modules, run_one
from signbart_port.parity.module_pairs import ModulePair, module_pairs
from signbart_port.parity.pair import Arrays, Pair, tap_of
from signbart_port.parity.proof import Call, Record
from signbart_port.parity.taps import LOGITS, Floats, module_of
from signbart_port.transfer import Plan

_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
)
_CHANNEL_NORMS = (keras.layers.BatchNormalization, keras.layers.GroupNormalization)
_COARSE = ("float32", "float16", "bfloat16")
_DENSE = (keras.layers.Dense, keras.layers.EinsumDense)
_NORMS = (
    *_CHANNEL_NORMS,
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
)
_FED = (*_CONVOLUTIONS, *_DENSE, *_NORMS, keras.layers.Embedding)
"""The layers that take what their modules of PyTorch take: one tensor, of the same meaning."""


class Layers:
    """The layers of a model, and the modules of PyTorch that are theirs."""

    def __init__(
        self,
        model: keras.Model,
        plan: Plan,
        torch: Mapping[str, Set[str]],
        paths: Sequence[str],
        taps: Taps,
    ) -> None:
        """`paths` are those of the model's weights, in its order, as the plan names them: a copy
        may name its own otherwise, as one with `Bidirectional` does. A layout that one of the
        `taps` declares is not looked for."""
        path_of = {id(weight): path for weight, path in zip(model.weights, paths, strict=True)}
        layers = _layers(model)
        variables = [
            {path_of[id(weight)] for weight in layer.weights if id(weight) in path_of}
            for layer in layers
        ]
        activated = {n for n, layer in enumerate(layers) if _activates(layer)}
        self.pairs: Sequence[ModulePair] = tuple(module_pairs(plan, torch, variables, activated))
        self.observed = observed(model, self.pairs)
        self._taps = taps
        self._channels_last = {
            one.path
            for one in self.observed
            if _channels_last(one.layer) and not tap_of(taps, one.path).keras
        }

    def fitted(self, record: Record, shape_of: Mapping[str, tuple[int, ...]]) -> Record:
        """Return a `record` that is given outputs in the layout of PyTorch's, `shape_of` by tap."""

        def fitting(tap: str, output: Floats) -> None:
            if tap in shape_of and tap != LOGITS:
                output = self._as_torch(module_of(tap), output, shape_of[tap])
            record(tap, output)

        return fitting

    def _as_torch(self, path: str, output: Floats, shape: tuple[int, ...]) -> Floats:
        if path in self._channels_last and output.ndim > 2:
            return np.moveaxis(output, -1, 1)
        if shape[:1] == (1,) and all(np.array_equal(one, output[0]) for one in output[1:]):
            output = output[:1]  # positions, which are the same for every example
        return merged(output, shape)

    def feed(self, call: Call, record: Record) -> None:
        """Feed a layer that takes the same as its module what that was fed."""
        one = next(one for one in self.observed if one.path == call.path)
        (given,) = call.inputs()
        given = tap_of(self._taps, call.path).in_keras_order(given)
        if call.path in self._channels_last and given.ndim > 2:
            given = np.moveaxis(given, 1, -1)
        if shape := _input_shape(one.layer, given.shape):
            given = given.reshape(shape)
        run_one(one, call.number, given, self._taps, record)

    def takes(self, call: Call) -> bool:
        """Return whether the layer of a call can be fed alone what the module was."""
        layer = next((one.layer for one in self.observed if one.path == call.path), None)
        if not isinstance(layer, _FED) or not self.may_take(call):
            return False
        return bool(_input_shape(layer, np.load(call.files[0], mmap_mode="r").shape))

    def may_take(self, call: Call) -> bool:
        """Return whether a call is of a module with a layer, and has one tensor, such as any layer
        may be fed."""
        return len(call.files) == 1 and any(one.path == call.path for one in self.observed)


def observed(model: keras.Model, pairs: Iterable[ModulePair]) -> tuple[Observed, ...]:
    """Return the layers of pairs of modules, in a model or a copy of it."""
    layers = _layers(model)
    return tuple(Observed(one.torch, layers[one.layer], one.before_activation) for one in pairs)


def _layers(model: keras.Model) -> list[keras.layers.Layer]:
    every = [layer for _, layer in modules(model)]
    cells = {id(layer.cell) for layer in every if isinstance(layer, keras.layers.RNN)}
    return [layer for layer in every if id(layer) not in cells]


def _input_shape(layer: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of what a module of PyTorch is given as its layer takes it: with the last
    axis in heads, where the kernel has such. Empty, where the two have no such shape."""
    if not isinstance(layer, keras.layers.EinsumDense):
        return shape
    axes, kernel = layer.equation.partition("->")[0].split(",")
    if len(axes) == len(shape):
        return shape
    lengths = dict(zip(kernel, layer.kernel.shape, strict=True))
    split = tuple(lengths[axis] for axis in axes[len(shape) - 1 :] if axis in lengths)
    whole = (*shape[:-1], *split)
    return whole if len(whole) == len(axes) and prod(split) == shape[-1] else ()


def merged(output: Floats, shape: tuple[int, ...]) -> Floats:
    """Return an output with neighboring axes merged as `shape` has them: heads, for PyTorch. As it
    is, where that is not what the two differ in."""
    left = list(output.shape)
    for length in shape:
        size = 1
        while left and size < length:
            size *= left.pop(0)
        if size == 1 and left and left[0] == 1:
            left.pop(0)
        if size != length:
            return output
    return output if prod(left) != 1 or output.ndim <= len(shape) else output.reshape(shape)


def doubled(
    model: keras.Model, exact: Arrays, pair: Pair, config: Any
) -> tuple[keras.Model | None, str]:
    """Return a copy of a model in float64, with its weights, or with what is rounded to them, where
    `exact` has that, by path; where none can be made, why. See `built_in_float64`."""
    return built_in_float64(
        pair,
        config,
        lambda: builder_in_float64(model)(),
        lambda double: _fill(double, model, exact),
    )


def built_in_float64(
    pair: Pair,
    config: Any,
    of_own_config: Callable[[], keras.Model],
    fill: Callable[[keras.Model], None],
) -> tuple[keras.Model | None, str]:
    """Return a model in float64 that has been given its weights; where none can be made, why.

    It is made from its own config, or else as its pair builds it from the pair's `config`, which is
    None for a model that the pair has not built. A model with layers that stay in float32, such as
    the softmax of keras-hub's Llama, is none: it rounds as in float32, and that adds up.
    """
    first, ways = "", [of_own_config]
    if config is not None:
        ways.append(lambda: in_precision("float64", lambda: pair.keras_model(config)))
    for build in ways:
        try:
            with keras.saving.custom_object_scope(dict(pair.custom_objects)):
                fill(double := build())
        except Exception as error:  # its own code may raise anything
            first = first or f"{type(error).__name__}: {printable(error)}"
            continue
        coarse = [path for path, layer in modules(double) if layer.compute_dtype in _COARSE]
        return (None, f"its layer {coarse[0]} computes in less there") if coarse else (double, "")
    return None, first


def in_float64(model: keras.Model, exact: Arrays) -> keras.Model:
    """Return a copy of a model from its own config, as `doubled` does.

    Raises ValueError, or whatever its code raises, where it cannot be made.
    """
    double = builder_in_float64(model)()
    _fill(double, model, exact)
    return double


def _fill(double: keras.Model, model: keras.Model, exact: Arrays) -> None:
    carry(model, double)
    for variable, rounded in zip(double.weights, model.weights, strict=True):
        if (value := exact_value(rounded, exact)) is not None:
            variable.assign(value)


def builder_in_float64(model: keras.Model) -> Callable[[], keras.Model]:
    """Return what makes a copy of a model in float64, whose weights are still to come, without the
    model. Both raise whatever the model's code raises."""
    kind, config, built_for = type(model), _doubled(model.get_config()), model.get_build_config()

    def build(config: Any) -> keras.Model:
        double = kind.from_config(config)
        if not double.built:
            double.build_from_config(built_for)
        return double

    def build_in_float64() -> keras.Model:
        try:  # random values take as long, and three times the room, to be replaced at once
            return in_precision("float64", lambda: build(_without_initializers(config)))
        except Exception:
            return in_precision("float64", lambda: build(config))

    return build_in_float64


def exact_value(variable: Any, exact: Arrays) -> NDArray[Any] | None:
    """Return what a variable was rounded from, where `exact` has it by path."""
    value = exact.get(variable.path)
    if value is None or not np.array_equal(value.astype(np.float32), variable.numpy()):
        return None
    return value


def _doubled(config: Any) -> Any:
    if isinstance(config, dict):
        return {key: _doubled(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_doubled(value) for value in config)
    return "float64" if config == "float32" else config


def _without_initializers(config: Any) -> Any:
    """Return a config whose variables begin at zero."""
    if isinstance(config, dict):
        return {
            key: "zeros" if _initializes(key, value) else _without_initializers(value)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(_without_initializers(value) for value in config)
    return config


def _initializes(key: Any, value: Any) -> bool:
    return str(key).endswith("_initializer") and isinstance(value, str | dict)


def _activates(layer: Any) -> bool:
    if not isinstance(layer, (*_CONVOLUTIONS, *_DENSE)):
        return False
    return layer.activation not in (None, keras.activations.linear)


def _channels_last(layer: Any) -> bool:
    """Return whether the channels of an output come last where PyTorch has them second."""
    if isinstance(layer, _CONVOLUTIONS):
        return bool(layer.data_format == "channels_last")
    return isinstance(layer, _CHANNEL_NORMS) and layer.axis != 1
