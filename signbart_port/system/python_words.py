"""Errors that say what to do in Python, where a Python program gets them.

The messages are written for the command line; the public functions of the package translate them.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import shlex
from typing import Any, TypeVar, cast

from signbart_port.errors import PortError
from signbart_port.system.packages import not_installed

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
        *("calibration", "data", "dynamic-frames", "force", "frame-size", "frames", "golden"),
        *(
            "mapping",
            "max-drop",
            "max-error",
            "min-agreement",
            "not-proven",
            "out",
            "pair",
            "preprocessing",
            "quantization",
        ),
        *("card", "contract", "hf-token", "license", "max-download", "node-data"),
        *("skeleton", "split", "with-camera"),
    }
)
FUNCTIONS = {"inspect": "inspect_file", "tflite": "to_tflite", "web": "write_site"} | {
    verb: verb for verb in ("convert", "evaluate", "export", "plan", "predict", "verify")
}
"""The public function of a command."""
# A command with its arguments follows a colon, and ends the message. An option may be followed by
# its value: in capitals, in quotes, or with a digit in it.
_OPTION = re.compile(
    rf"""
    :[ ]signbart-port[ ](?P<command>.*)
    | signbart-port[ ](?P<verb>{"|".join(FUNCTIONS)})\b
    | (?<![\w-])--(?P<option>[a-z][a-z-]*[a-z])
      (?:[ ](?P<name>(?=[a-z])[^\s()"']*\d(?:[^\s()"']*[^\s()"'.,;:])?)
      | (?P<value>[ ](?=[A-Z0-9](?![a-z])|["'])))?
    """,
    re.VERBOSE | re.DOTALL,
)
_PLACEHOLDER = re.compile("[A-Z|]+")


def in_python(message: str) -> str:
    """Return a message with the command line's options as arguments, "force=True", its commands as
    functions, "signbart_port.export", and a command with arguments as a call."""
    return _OPTION.sub(_translated, message)


def _translated(found: re.Match[str]) -> str:
    if found["command"]:
        return _call(found["command"]) or found[0]
    if found["verb"]:
        return f"signbart_port.{FUNCTIONS[found['verb']]}"
    option, name = found["option"], found["name"]
    if option not in IN_OPTIONS | ARGUMENTS:
        return found[0]
    words = option.replace("-", "_")
    if option in FLAGS:
        words += "=True" + (f" {name}" if name else found["value"] or "")
    elif name:
        words += f'="{name}"'
    elif found["value"]:
        words += "="
    return f"Options.{words}" if option in IN_OPTIONS else words


def _call(command: str) -> str:
    """Return a command's arguments as those of its function, or nothing where it has none."""
    verb, *words = shlex.split(command)
    if verb not in FUNCTIONS:
        return ""
    arguments, options = list[str](), list[str]()
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            arguments.append(_literal(word))
            continue
        option = word[2:]
        value = "True" if option in FLAGS else _literal(next(rest))
        stated = f"{option.replace('-', '_')}={value}"
        (options if option in IN_OPTIONS else arguments).append(stated)
    if options:
        arguments.append(f"options=signbart_port.Options({', '.join(options)})")
    return f": signbart_port.{FUNCTIONS[verb]}({', '.join(arguments)})"


def _literal(word: str) -> str:
    return word if _PLACEHOLDER.fullmatch(word) else json.dumps(word, ensure_ascii=False)


def speaks_python(public: Public) -> Public:
    """Wrap a function so that its PortErrors name arguments, and a package that is not installed is
    one of them; return anything else as it is."""
    if not inspect.isfunction(public):
        return public

    @functools.wraps(public)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return public(*args, **kwargs)
        except PortError as error:
            error.reword(in_python)
            raise
        except ModuleNotFoundError as error:
            raise not_installed(error) or error from None

    return cast(Public, call)
