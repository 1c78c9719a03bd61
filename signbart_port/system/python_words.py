"""Errors that say what to do in Python, where a Python program gets them.

The messages are written for the command line; the public functions of the package translate them.
"""

from __future__ import annotations

import functools
import inspect
import re
from typing import Any, TypeVar, cast

from signbart_port.errors import PortError

Public = TypeVar("Public")

FLAGS = frozenset(
    {"dynamic-frames", "force", "override-config", "preprocessing", "sizes-from-checkpoint"}
)
IN_OPTIONS = frozenset(
    {"config", "heads", "joints", "layout", "override-config", "sizes-from-checkpoint", "weights"}
)
"""What Python takes as a field of `Options`, and the command line by itself."""
ARGUMENTS = frozenset(
    {
        *("calibration", "data", "dynamic-frames", "force", "frame-size", "frames", "mapping"),
        *("max-drop", "min-agreement", "preprocessing", "quantization", "skeleton", "split"),
    }
)
# A whole command stays what it is; an option may be followed by its value.
_OPTION = re.compile(
    r"""signbart-port .*|(?<![\w-])--([a-z][a-z-]*[a-z])( (?=[A-Z0-9](?![a-z])|["']))?"""
)


def in_python(message: str) -> str:
    """Return a message with the options of the command line as arguments: "force=True"."""
    return _OPTION.sub(_argument, message)


def _argument(found: re.Match[str]) -> str:
    option, has_value = found[1], found[2]
    if option not in IN_OPTIONS | ARGUMENTS:
        return found[0]
    name = option.replace("-", "_") + ("=True" if option in FLAGS else "=" if has_value else "")
    return f"Options.{name}" if option in IN_OPTIONS else name


def speaks_python(public: Public) -> Public:
    """Wrap a function so that its PortErrors name arguments; return anything else as it is."""
    if not inspect.isfunction(public):
        return public

    @functools.wraps(public)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return public(*args, **kwargs)
        except PortError as error:
            error.reword(in_python)
            raise

    return cast(Public, call)
