"""The public functions of the package: explicit, typed, documented parameters."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from inspect import Parameter, getdoc, signature
from typing import Any

import pytest

import signbart_port
from signbart_port.system.progress import no_progress
from signbart_port.tflite_export.request import TFLiteOptions

POSITIONAL = {
    "convert": ("path", "out", "options"),
    "evaluate": ("models", "data"),
    "export": ("path", "out"),
    "inspect_file": ("path",),
    "plan": ("path",),
    "predict": ("model", "clips"),
    "to_tflite": ("path", "out"),
    "verify": ("a", "b", "options"),
}
"""What calls of version 0.1 may give by position."""


@pytest.fixture(params=POSITIONAL)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def verb(name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(signbart_port, name)
    return function


def test_verbs_are_public(name: str) -> None:
    assert name in signbart_port.__all__ and verb(name).__name__ == name


def test_parameters_are_keyword_only(name: str) -> None:
    positional = []
    for parameter in signature(verb(name)).parameters.values():
        if parameter.kind is Parameter.POSITIONAL_OR_KEYWORD:
            positional.append(parameter.name)
        else:
            assert parameter.kind is Parameter.KEYWORD_ONLY, "no *args, no **kwargs"
            assert parameter.default is not Parameter.empty
    assert tuple(positional) == POSITIONAL[name]


def test_parameters_are_annotated(name: str) -> None:
    found = signature(verb(name))
    for parameter in found.parameters.values():
        assert parameter.annotation is not Parameter.empty
        assert not re.search(r"\bAny\b", str(parameter.annotation)), parameter
    assert found.return_annotation is not Parameter.empty


def test_parameters_are_documented(name: str) -> None:
    """Every one has a paragraph, and nothing else has: `help()` shows what there is."""
    text = getdoc(verb(name)) or ""
    arguments = text.partition("\nArgs:\n")[2].partition("\n\n")[0]
    documented = re.findall(r"^    (\w+): \S", arguments, re.MULTILINE)
    assert documented == list(signature(verb(name)).parameters)
    assert "\nReturns:\n" in text and "\nRaises:\n    PortError: " in text


def test_an_unknown_option_is_a_type_error(name: str) -> None:
    given = dict.fromkeys(POSITIONAL[name], "x")
    with pytest.raises(TypeError, match="unexpected keyword argument 'quantisation'"):
        verb(name)(**given, quantisation="int8")


def test_progress_is_silent_by_default() -> None:
    for name in POSITIONAL:
        if progress := signature(verb(name)).parameters.get("progress"):
            assert progress.default is no_progress and progress.annotation == "ProgressCallback"


def test_the_options_of_to_tflite_are_its_parameters() -> None:
    parameters = signature(signbart_port.to_tflite).parameters
    options = {field.name: field for field in fields(TFLiteOptions)}
    assert parameters.keys() == options.keys() | {
        "path",
        "out",
        "force",
        "options",
        "mapping",
        "progress",
    }
    for name, field in options.items():
        assert parameters[name].default == field.default
        assert parameters[name].annotation == field.type
