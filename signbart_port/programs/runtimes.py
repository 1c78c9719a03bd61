"""The runtimes that a program can be written for, by the language of the program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from signbart_port.errors import PortError
from signbart_port.programs import literals


@dataclass(frozen=True)
class Runtime:
    """A runtime of .tflite files in a language."""

    language: str
    template: str
    literal: Callable[[str], str]
    name: str = ""
    """The name by which it is chosen; empty where a language has one runtime."""
    comment: str = "//"
    signatures: bool = True
    """Whether it runs signatures; otherwise it runs the first graph, whose inputs go by
    position."""
    integers: bool = True
    """Whether it takes int8 inputs and outputs."""
    resizes: bool = True
    """Whether the number of frames can be set at run time."""
    title: str = ""
    """Its name for messages."""


_JS = literals.javascript
_LITERT_JS: Any = {"integers": False, "resizes": False, "title": "LiteRT.js"}
RUNTIMES = (
    Runtime("python", "python.py.j2", literals.python, comment="#", title="LiteRT in Python"),
    Runtime("javascript", "browser.mjs.j2", _JS, "browser", **_LITERT_JS),
    Runtime("javascript", "node.mjs.j2", _JS, "node", **_LITERT_JS),
    Runtime(
        "javascript",
        "react_native.js.j2",
        _JS,
        "react-native",
        signatures=False,
        resizes=False,
        title="react-native-fast-tflite",
    ),
    Runtime("kotlin", "kotlin.kt.j2", literals.kotlin, title="LiteRT for Android"),
    Runtime("swift", "swift.swift.j2", literals.swift, title="TensorFlowLiteSwift"),
    Runtime("dart", "dart.dart.j2", literals.dart, signatures=False, title="tflite_flutter"),
    Runtime("cpp", "cpp.cc.j2", literals.cpp, signatures=False, title="TensorFlow Lite's C API"),
)
LANGUAGES = tuple(dict.fromkeys(one.language for one in RUNTIMES))


def parse(language: str, runtime: str | None) -> Runtime:
    """Return the runtime that a user names; the first of the language by default.

    Raises PortError for one that there is not.
    """
    of_language = [one for one in RUNTIMES if one.language == language]
    if not of_language:
        what = f"{language!r} is no language that programs are written in"
        raise PortError(None, what, f"There are {', '.join(LANGUAGES)}")
    if runtime is None:
        return of_language[0]
    for one in of_language:
        if one.name == runtime:
            return one
    names = [one.name for one in of_language if one.name]
    hint = f"There are {', '.join(names)}" if names else "Leave it out: there is one"
    raise PortError(None, f"{language} has no runtime {runtime!r}", hint)
