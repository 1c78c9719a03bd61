"""What no program is written for: said in a line, and nothing is written."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import signbart_port
from signbart_port.errors import PortError
from signbart_port.programs import literals
from signbart_port.programs.program import write
from signbart_port.programs.runtimes import RUNTIMES, parse
from signbart_port.tflite.description import describe

Files = Callable[..., Path]
Changed = Callable[[str, str | None, dict[str, Any]], str]


@pytest.mark.parametrize(
    ("language", "runtime", "said"),
    [
        ("cobol", None, "'cobol' is no language .* python, javascript, kotlin, swift, dart, cpp"),
        ("javascript", "deno", "javascript has no runtime 'deno'.* browser, node, react-native"),
        ("kotlin", "node", "kotlin has no runtime 'node'. Leave it out"),
    ],
)
def test_a_language_that_there_is_not(
    small_tflite: Files, language: str, runtime: str | None, said: str
) -> None:
    with pytest.raises(PortError, match=said):
        signbart_port.snippets(small_tflite(16), language, runtime=runtime)


@pytest.mark.parametrize("runtime", ["browser", "node", "react-native"])
def test_a_length_that_is_set_at_run_time(small_tflite: Files, runtime: str) -> None:
    with pytest.raises(PortError, match="number of frames is set at run time"):
        signbart_port.snippets(small_tflite(), "javascript", runtime=runtime)


@pytest.mark.parametrize("language", ["python", "kotlin", "swift", "dart", "cpp"])
def test_a_length_that_is_set_at_run_time_elsewhere(small_tflite: Files, language: str) -> None:
    assert signbart_port.snippets(small_tflite(), language).source


@pytest.fixture
def changed(small_tflite: Files) -> Changed:
    """Writes a program for a file whose description is changed."""

    def source(language: str, runtime: str | None, changes: dict[str, Any]) -> str:
        path = small_tflite(16)
        return write(path, describe(path) | changes, parse(language, runtime))

    return source


def integers(small_tflite: Files, *scales: float) -> dict[str, Any]:
    """The signatures of a file of integers, one for each scale."""
    described = describe(small_tflite(16))
    (signature,) = described["signatures"]
    signatures = [copy.deepcopy(signature) for _ in scales]
    for one, scale in zip(signatures, scales, strict=True):
        for tensor in (*one["inputs"].values(), *one["outputs"].values()):
            tensor |= {"type": "int8", "scale": scale, "zero_point": -3}
    return {"signatures": signatures}


def test_integers(small_tflite: Files, changed: Changed) -> None:
    with pytest.raises(PortError, match=r"are int8, which LiteRT\.js does not take"):
        changed("javascript", "node", integers(small_tflite, 0.5))
    with pytest.raises(PortError, match="quantize their inputs in different ways"):
        changed("kotlin", None, integers(small_tflite, 0.5, 0.25))
    for one in RUNTIMES:
        if one.integers:
            source = changed(one.language, one.name or None, integers(small_tflite, 0.125))
            assert "quantize" in source
            assert ("0.125" in source) == (one.language != "python")  # which asks the file


def test_another_first_graph(changed: Changed) -> None:
    with pytest.raises(PortError, match="first graph is frames_4, and tflite_flutter"):
        changed("dart", None, {"first_graph": "frames_4"})
    assert changed("swift", None, {"first_graph": "frames_4"})


def test_what_is_there_stays(
    small_tflite: Files, tmp_path: Path, program: Callable[..., tuple[int, str, str]]
) -> None:
    (out := tmp_path / "recognize.py").write_text("mine")
    line = ("snippets", small_tflite(16), "--language", "python", "--out", out)
    code, said, error = program(*line)
    assert (code, said, out.read_text()) == (2, "", "mine") and error.count("\n") == 1
    assert program(*line, "--force")[0] == 0 and "SIGNATURES" in out.read_text()
    clip = tmp_path / "clip.json"
    clip.write_text("[]")
    code, said, error = program("snippets", clip, "--language", "python")
    assert (code, said) == (2, "") and error.count("\n") == 1


def test_literals() -> None:
    text = 'a"\\$\n\u202e\ud83d 👋'
    assert eval(literals.python(text)) == text
    assert literals.javascript(text) == '"a\\"\\\\$\\u000a\\u202e\\ud83d 👋"'
    assert literals.kotlin(text) == '"a\\"\\\\\\$\\u000a\\u202e\\ud83d 👋"'
    assert literals.swift(text) == '"a\\"\\\\$\\u{A}\\u{202E}? 👋"'
    assert literals.dart(text) == '"a\\"\\\\\\$\\u{A}\\u{202E}? 👋"'
    assert literals.cpp(text) == '"a\\"\\\\$\\012\\342\\200\\256? 👋"'
