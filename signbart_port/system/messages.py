"""Messages between a process and its workers: a dataclass as JSON, arrays in a file beside it."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from signbart_port.system import processes

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")


def to_plain(value: object) -> Any:
    """Return `value` as JSON would keep it: dataclasses, enums, paths, tuples, mappings and plain
    values, nested.

    Raises TypeError for anything else.
    """
    if is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return to_plain(value.value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a message holds no {type(value).__name__}")


def from_plain(kind: type[T], plain: Any) -> T:
    """Return the value of type `kind` of which `to_plain` made `plain`."""
    return cast(T, _value(kind, plain))


def _value(kind: Any, plain: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if plain is None:
            return None
        kinds = [one for one in arguments if one is not NoneType]
        return _value(kinds[0], plain) if len(kinds) == 1 else plain
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return tuple(_value(arguments[0], item) for item in plain)
        return tuple(_value(one, item) for one, item in zip(arguments, plain, strict=True))
    if origin in (list, Sequence):
        return [_value(arguments[0], item) for item in plain]
    if origin is Counter:
        return Counter(plain)
    if origin in (dict, Mapping):
        return {key: _value(arguments[1], item) for key, item in plain.items()}
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return cast(Any, kind)(**{name: _value(hints[name], item) for name, item in plain.items()})
    if isinstance(kind, type) and issubclass(kind, Enum | Path):
        return kind(plain)
    return plain


def write(
    folder: Path, name: str, value: object, arrays: Mapping[str, NDArray[Any]] | None = None
) -> None:
    """Leave a message under this `name` in the folder, in place of the last one."""
    (packed := folder / f"{name}.npz").unlink(missing_ok=True)  # its reader may have it open
    if arrays:
        import numpy as np  # not before there are arrays: a process may start without

        with zipfile.ZipFile(packed, "w") as archive:  # as `np.savez` does, and one by one
            for key, array in arrays.items():
                with archive.open(f"{key}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
    (folder / f"{name}.json").write_text(json.dumps(to_plain(value)))


def keep(path: Path, array: Any) -> None:
    """Write an array to a file in a worker's folder, beside its messages.

    Raises PortError about the temporary folder where it cannot be written: that is no fault of what
    the worker was given.
    """
    import numpy as np

    with processes.scratch_errors(path.parent.parent):
        np.save(path, array)


def read(folder: Path, name: str) -> tuple[Any, Mapping[str, NDArray[Any]]]:
    """Return what `write` left: plain values, and the arrays, each loaded when it is asked for."""
    plain = json.loads((folder / f"{name}.json").read_text())
    if not (packed := folder / f"{name}.npz").exists():
        return plain, {}
    import numpy as np

    return plain, np.load(packed)


def size_of(folder: Path, name: str) -> int:
    """Return the size of a message's arrays in bytes."""
    packed = folder / f"{name}.npz"
    return packed.stat().st_size if packed.exists() else 0
