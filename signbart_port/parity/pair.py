"""The proof's view of two models: a `Pair`, the cases that both run, the axes of their outputs.

The proof knows no model. It calls the methods of a pair, and whatever it has to know of a model is
a method here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from signbart_port.errors import PortError
from signbart_port.parity.config_keys import Key, Mapped, completed

if TYPE_CHECKING:
    from signbart_port.parity.blame import Finder

Arrays = Mapping[str, NDArray[Any]]
_NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Case:
    """A batch of inputs that both models run."""

    name: str
    """The purpose of the case, for the user."""
    torch: Arrays
    """The inputs of the PyTorch model, by the names of its arguments."""
    keras: Arrays
    """The inputs of the Keras model, by name."""
    counted: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    """The positions that count, (batch, n), by the name of an axis: `time`, `memory`. An axis
    without an entry counts whole."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The facts on the case in a report: plain values under the keys of its JSON."""


@dataclass(frozen=True)
class Tap:
    """The layout of the outputs of some modules."""

    torch: str = ""
    """The names of the axes in PyTorch, in order: `batch time channel`. Empty: the axes have no
    names, and the output counts whole."""
    keras: str = ""
    """The same axes in the order of the Keras output. Empty: PyTorch's."""
    part: int | None = None
    """The part of a tuple that counts, from 0. None: every one."""

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes as they are compared: in PyTorch's order."""
        return tuple(self.torch.split())

    def in_torch_order(self, output: NDArray[Any]) -> NDArray[Any]:
        """Return a Keras output with its axes in PyTorch's order; as it is, where it has others."""
        return _reordered(output, self.keras.split(), self.axes)

    def in_keras_order(self, given: NDArray[Any]) -> NDArray[Any]:
        """Return what a layer is fed with its axes in Keras' order, see `in_torch_order`."""
        return _reordered(given, self.axes, self.keras.split())


@dataclass(frozen=True)
class Signature:
    """A signature of a .tflite file that is made of the Keras model."""

    name: str
    """Its name in the file, such as `serving_default`."""
    inputs: Mapping[str, tuple[int | None, ...]]
    """The shapes of its inputs by name. None stands for a free axis."""
    outputs: Mapping[str, tuple[int | None, ...]]
    """The shapes of its outputs by name."""
    dtypes: Mapping[str, str] = field(default_factory=dict)
    """The dtypes of inputs and outputs by name. Without an entry: float32."""
    calibration: Sequence[Case] = ()
    """The cases that measure the ranges of activations for integer files."""

    @classmethod
    def of(
        cls, case: Case, calibration: Sequence[Case] = (), name: str = "serving_default"
    ) -> Signature:
        """Return the signature of one example of a case, whose output is what the pair compares."""
        shapes = {key: (1, *array.shape[1:]) for key, array in case.keras.items()}
        floats = {key for key, array in case.keras.items() if array.dtype.kind == "f"}
        dtypes = {key: str(array.dtype) for key, array in case.keras.items()}
        dtypes |= dict.fromkeys(floats, "float32")
        return cls(name, shapes, {"output": ()}, dtypes, calibration)


class Pair:
    """A PyTorch module and a Keras model that are meant to compute the same.

    A base class. A pair says how both are built, which mapping joins the names of their weights,
    and on which inputs they are compared. Frameworks are imported inside the methods: each side
    runs in a process of its own. `config` is what `read_config` returns.
    """

    mapping: str | Path
    """A mapping file. A relative path starts at the folder of the pair's own file."""
    keys: ClassVar[Mapping[str, Key]] = _NONE
    """Every key that a config may have: mapped, required to have a value, or ignored for a reason.
    Any other is refused before the models are built. Without an entry, none is."""
    example: ClassVar[Mapping[str, Any]] = _NONE
    """A small config, as a user would state it: for proofs where none is stated."""
    derived: ClassVar[Mapping[str, Any]] = _NONE
    """Arguments of the Keras model that are not the value of one key: each a value, or a function
    of the config that uses nothing else, since a converter that is exported has its source."""

    @property
    def custom_objects(self) -> Mapping[str, type]:
        """The objects that a fresh process needs to open a .keras file, by registered name."""
        return {}

    def read_config(self, stated: Mapping[str, Any], stored: Mapping[str, Any]) -> Any:
        """Return the config of the values that a checkpoint stores and a user states.

        Raises ValueError, with words for the user, for values that are none. By default, plain
        values: the user's before the checkpoint's, and the defaults of `keys`.
        """
        return completed(self.keys, {**stored, **stated})

    def keras_arguments(self, config: Any) -> dict[str, Any]:
        """Return the arguments of the Keras model as they are declared: the values of `keys` that
        are mapped `to` one, and `derived`."""
        mapped = ((name, key) for name, key in self.keys.items() if isinstance(key, Mapped))
        derived = {
            name: one(config) if callable(one) else one for name, one in self.derived.items()
        }
        return {key.to: config[name] for name, key in mapped if key.to} | derived

    def sizes(self, config: Any) -> Mapping[str, int] | None:
        """Return the sizes that the mapping uses. None: they are read off the live models."""
        return None

    def torch_model(self, config: Any) -> Any:
        """Build the PyTorch module, in float32."""
        raise NotImplementedError

    def keras_model(self, config: Any) -> Any:
        """Build the Keras model, with its variables, in the dtype policy that is set."""
        raise NotImplementedError

    def cases(self, config: Any, seed: int) -> Sequence[Case]:
        """Return seeded inputs that reach every part of the models."""
        raise NotImplementedError

    def call_torch(self, model: Any, inputs: Mapping[str, Any]) -> Any:
        """Run the PyTorch module, which is in evaluation mode, on tensors."""
        return model(**inputs)

    def call_keras(self, model: Any, inputs: Mapping[str, Any]) -> Any:
        """Run the Keras model at inference: on its only input, or on all by name."""
        if len(inputs) == 1 and not isinstance(getattr(model, "input", None), Mapping):
            return model(*inputs.values(), training=False)
        return model(dict(inputs), training=False)

    def torch_output(self, outputs: Any) -> Any:
        """Return the tensor that is compared. By default, the only one."""
        return _only(outputs)

    def keras_output(self, outputs: Any) -> Any:
        """Return the tensor that is compared. By default, the only one."""
        return _only(outputs)

    def taps(self, config: Any) -> Mapping[str, Tap]:
        """Return the layout of outputs by the path of their module; the output of the whole model
        is under `logits`.

        A `*` stands for any characters. The first pattern that matches is in force. By default,
        layouts are equal, and every output counts whole.
        """
        return {}

    def tflite(self, config: Any) -> Sequence[Signature]:
        """Return the signatures of a .tflite of the Keras model.

        By default, there are none: the file then has one for an example of the first case.
        """
        return ()

    def causes(self, config: Any, tensors: Callable[[], Arrays], case: Case) -> Finder | None:
        """Return a search for the cause of a failure. By default, there is none.

        `tensors` returns the reference's weights under PyTorch's names; it is for failures only.
        """
        return None

    def summary(self, expected: NDArray[Any], got: NDArray[Any]) -> Mapping[str, Any]:
        """Return what a report says of two outputs of the whole models: plain values under the keys
        of its JSON."""
        return {}

    def vary(self, config: Any) -> Sequence[Mapping[str, Any]]:
        """Return changes to the config, each as a user would state it: other values of some keys.

        They are there to be proven one by one. What `read_config` refuses may be among them. By
        default, there are none.
        """
        return ()


def tap_of(taps: Mapping[str, Tap], path: str) -> Tap:
    """Return the layout of a module's output, by the first pattern that matches its path."""
    return next((tap for pattern, tap in taps.items() if fnmatchcase(path, pattern)), Tap())


def layouts_of(pair: Pair, config: Any) -> Mapping[str, Tap]:
    """Return the layouts of a pair whose modules are found by rules: of those that it does not
    name, the first output counts."""
    layouts = dict(pair.taps(config))
    layouts.setdefault("*", Tap(part=0))
    return layouts


def mapping_path(pair: Pair) -> Path:
    """Return the path of a pair's mapping file. Raises PortError for a pair that names none."""
    file, mapping = Path(inspect.getfile(type(pair))), getattr(pair, "mapping", None)
    if not isinstance(mapping, str | Path):
        what = f"{type(pair).__name__} names no mapping"
        raise PortError(file, what, 'Name its file: mapping = "net.yaml"')
    return file.parent / mapping


def _reordered(array: NDArray[Any], axes: Sequence[str], wanted: Sequence[str]) -> NDArray[Any]:
    """Return an array of these axes with them in the `wanted` order, if one is."""
    if not wanted or not axes or array.ndim != len(axes):
        return array
    return array.transpose([axes.index(axis) for axis in wanted])


def _only(outputs: Any) -> Any:
    if isinstance(outputs, Mapping):
        outputs = tuple(outputs.values())
    if not isinstance(outputs, tuple | list):
        return outputs
    if len(outputs) != 1:
        raise ValueError(f"the model has {len(outputs)} outputs, and the pair names none of them")
    return outputs[0]
