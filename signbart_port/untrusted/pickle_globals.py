"""The globals that a checkpoint's pickle may name, and everything that calling them can make.

A global is a key of the tables below, never an import. Any other name is `Foreign`: what it makes
is `Unread`, and only its name is kept.
"""

from __future__ import annotations

import _compat_pickle
from collections.abc import Callable
from typing import Any, NamedTuple

from signbart_port.errors import printable
from signbart_port.untrusted.refusal import Refusal
from signbart_port.untrusted.tensors import ITEMSIZES, Storage, Tensor, tensor

_STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32",
    "QUInt4x2Storage": "quint4x2",
    "QUInt2x4Storage": "quint2x4",
}
_ELEMENTS = (
    {f"torch.{name}": dtype for name, dtype in _STORAGES.items()}
    | {f"torch.{dtype}": dtype for dtype in ITEMSIZES}
    | {"torch.storage.UntypedStorage": "uint8"}
)
# Globals that stand for tensors of other kinds, or for what trainers keep beside the weights.
_OTHERS = {
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
    "torch._utils._rebuild_qtensor": "a quantized tensor",
    "torch._utils._rebuild_meta_tensor_no_storage": "a meta tensor, without values",
    "torch._utils._rebuild_nested_tensor": "a nested tensor",
    "torch._utils._rebuild_wrapper_subclass": "a tensor of a subclass",
    "torch._utils._rebuild_device_tensor_from_numpy": "a tensor of another device",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": "a tensor of another device",
    "torch.serialization._get_layout": "a layout",
    "torch.per_tensor_affine": "a quantization scheme",
    "torch.per_channel_affine": "a quantization scheme",
    "torch.per_channel_affine_float_qparams": "a quantization scheme",
    "torch.Size": "a torch.Size",
    "torch.device": "a torch.device",
    "torch.Tensor": "a tensor class",
    "torch.nn.parameter.Parameter": "a tensor class",
    "collections.Counter": "a Counter",
    "builtins.set": "a set",
    "builtins.frozenset": "a set",
    "builtins.complex": "a complex number",
    "builtins.bytearray": "a bytearray",
    "builtins.range": "a range",
    "builtins.slice": "a slice",
    "_codecs.encode": "a bytes object",
}


# Packages whose objects often stand beside weights; every other foreign name counts as code.
_OBJECTS = (
    "argparse", "collections", "datetime", "enum", "numpy", "omegaconf", "pathlib", "types"
)  # fmt: skip


_ARRAYS = tuple(
    f"numpy.{core}.{name}"
    for core in ("core", "_core")
    for name in ("multiarray._reconstruct", "numeric._frombuffer")
)


class Other(NamedTuple):
    """An object that may stand beside weights and never is one, with a noun for messages."""

    what: str


class Element(NamedTuple):
    """The type of a storage's elements, by torch's name for the dtype."""

    dtype: str


class Global(NamedTuple):
    """One of the names that `call` knows."""

    name: str


class Foreign(NamedTuple):
    """The name of a class or function that is not known: never imported, never called."""

    name: str


class Unread:
    """An object that only foreign code could make: its class' name, and what BUILD would give it.

    Nothing of it was run, and what it was to be called with is not kept.
    """

    __slots__ = ("attributes", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.attributes: dict[Any, Any] = {}

    @property
    def is_model(self) -> bool:
        """Return whether it has the attributes of every torch.nn.Module."""
        return "_parameters" in self.attributes and "_modules" in self.attributes

    @property
    def what(self) -> str:
        """What it is, for messages."""
        shown = printable(self.name)
        if self.name in _ARRAYS:
            return "a NumPy array, a Python object, not a weight"
        if self.is_model:
            return f"a whole pickled model ({shown}), which only its own code could read"
        if self.name.split(".")[0] in _OBJECTS:
            return f"{shown}, a Python object, not a weight"
        return f"{shown}: code, not weights; nothing of it was run"


def describe(value: object) -> str:
    """Return a noun for a value of a pickle, for messages."""
    if value is None:
        return "None"
    if isinstance(value, Other | Unread):
        return value.what
    if isinstance(value, Foreign):
        return Unread(value.name).what
    name = type(value).__name__.lower()
    return f"an {name}" if name.startswith(tuple("aeiou")) else f"a {name}"


def resolve(module: str, name: str, protocol: int) -> Global | Element | Foreign:
    """Return what a global stands for."""
    if protocol < _PYTHON_3:
        module, name = _compat_pickle.NAME_MAPPING.get(
            (module, name), (_compat_pickle.IMPORT_MAPPING.get(module, module), name)
        )
    full = f"{module}.{name}"
    if full in _ELEMENTS:
        return Element(_ELEMENTS[full])
    return Global(full) if full in _CALLS or full in _OTHERS else Foreign(full)


def element_of(name: str) -> str:
    """Return the dtype that the full name of a storage's type, or of a dtype, stands for; "" for
    any other name."""
    return _ELEMENTS.get(name, "")


def only(kind: type[Any], value: Any) -> Any:
    """Return `value` if its type is exactly `kind`; raises Refusal otherwise."""
    if type(value) is not kind:
        wanted = kind.__name__.lower()
        raise Refusal(f"holds a broken pickle: {describe(value)} stands where a {wanted} should")
    return value


def call(function: object, arguments: tuple[Any, ...]) -> Any:
    """Return what a global makes of its arguments: a Tensor, an empty dict, an Other or Unread."""
    if isinstance(function, Foreign | Unread):
        return Unread(function.name)
    if type(function) is not Global:
        raise Refusal(f"holds a broken pickle: it calls {describe(function)}")
    if function.name in _OTHERS:
        return Other(_OTHERS[function.name])
    return _CALLS[function.name](*few(arguments))


def new_object(kind: object, arguments: tuple[Any, ...]) -> Any:
    """Return what creating an object of a class makes: an Other or Unread."""
    if type(kind) is Global and kind.name not in _OTHERS:
        raise Refusal(f"holds a broken pickle: it creates an object of {printable(kind.name)}")
    return call(kind, arguments)


def few(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments of one call; raises Refusal for a long tuple, which could be passed many
    times."""
    if len(arguments) > _MOST_ARGUMENTS:
        raise Refusal(f"holds a broken pickle: {len(arguments):,} arguments in one call")
    return arguments


def _ordered_dict() -> dict[Any, Any]:
    return {}


def _tensor(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    _requires_grad: Any = None,
    _hooks: Any = None,
    metadata: Any = None,
    *,
    dtype: str | None = None,
) -> Tensor | Other:
    if metadata:
        return Other("a tensor that is conjugated or negated when it is read")
    only(Storage, storage)
    return tensor(storage, dtype or storage.dtype, offset, size, stride)


def _tensor_v3(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Tensor | Other:
    requires_grad, hooks, element, *metadata = rest
    dtype = only(Element, element).dtype
    return _tensor(storage, offset, size, stride, requires_grad, hooks, *metadata, dtype=dtype)


def _first(tensor: Any, *_attributes: Any) -> Any:
    return tensor


def _from_type(function: Any, _type: Any, arguments: Any, _state: Any) -> Any:
    return call(function, only(tuple, arguments))


_MOST_ARGUMENTS = 8
_PYTHON_3 = 3  # the first protocol that uses Python 3's names
_CALLS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._tensor._rebuild_from_type_v2": _from_type,
}
