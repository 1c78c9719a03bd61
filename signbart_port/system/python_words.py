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
    {
        *("dynamic-frames", "force", "not-proven", "override-config", "preprocessing"),
        "sizes-from-checkpoint",
    }
)
IN_OPTIONS = frozenset(
    {"config", "heads", "joints", "layout", "override-config", "sizes-from-checkpoint", "weights"}
)
"""What Python takes as a field of `Options`, and the command line by itself."""
ARGUMENTS = frozenset(
    {
        *("calibration", "data", "dynamic-frames", "force", "frame-size", "frames", "mapping"),
        *(
            "max-drop",
            "min-agreement",
            "not-proven",
            "out",
            "pair",
            "preprocessing",
            "quantization",
        ),
        *("skeleton", "split"),
    }
)
FUNCTIONS = {"inspect": "inspect_file", "tflite": "to_tflite"} | {
    verb: verb for verb in ("convert", "evaluate", "export", "plan", "predict", "verify")
}
"""The public function of a command."""
# A command with its arguments, after a colon, stays what it is; an option may be followed by its
# value.
_OPTION = re.compile(
    rf"""
    :[ ]signbart-port[ ].*
    | signbart-port[ ](?P<verb>{"|".join(FUNCTIONS)})\b
    | (?<![\w-])--(?P<option>[a-z][a-z-]*[a-z])(?P<value>[ ](?=[A-Z0-9](?![a-z])|["']))?
    """,
    re.VERBOSE,
)


def in_python(message: str) -> str:
    """Return a message with the command line's options as arguments, "force=True", and its commands
    as functions, "signbart_port.export"."""
    return _OPTION.sub(_translated, message)


def _translated(found: re.Match[str]) -> str:
    if found["verb"]:
        return f"signbart_port.{FUNCTIONS[found['verb']]}"
    option, has_value = found["option"], found["value"]
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
