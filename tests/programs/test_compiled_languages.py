"""Programs for C++, run with TensorFlow Lite's C API; for Kotlin, compiled; and parsed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tree_sitter_dart
import tree_sitter_kotlin
import tree_sitter_swift
from tree_sitter import Language, Parser

import signbart_port
from signbart_port.tflite.runner import Runner
from tests.support.written_programs import FILES, as_json, expected, hard_clips

ROOT = Path(__file__).parents[2]
C_API = ROOT / ".npm" / "tfjs-tflite-node" / "cc_deps"
KOTLINC = ROOT / ".npm" / "kotlin-compiler" / "bin" / "kotlinc"
STAND_INS = ROOT / "tests" / "support" / "kotlin"
APP = ROOT / "docs" / "how-to" / "app.md"


def run(*command: object, cwd: Path, stdin: str = "") -> str:
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, input=stdin, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", FILES)
def test_cpp(models: dict[str, Path], name: str, tmp_path: Path) -> None:
    if not C_API.is_dir() or shutil.which("g++") is None:
        pytest.skip("g++, or the C API that tools/npm_packages.py downloads, is not here")
    shutil.copy(models[name], tmp_path / models[name].name)
    signbart_port.snippets(models[name], "cpp", out=tmp_path / "recognize.cc")
    library = C_API / "linux_amd64"
    run(
        *("g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{C_API / 'include'}"),
        *("recognize.cc", "-o", "recognize", library / "libtensorflowlite_c.so"),
        f"-Wl,-rpath,{library}",
        cwd=tmp_path,
    )
    labels = Runner(models[name]).card.labels or [f"class {number}" for number in range(5)]
    for clip, probabilities in zip(
        clips := hard_clips(), expected(models[name], clips), strict=True
    ):
        (tmp_path / "clip.json").write_text(json.dumps(as_json(clip)))
        printed = run("./recognize", "clip.json", cwd=tmp_path)
        for number in np.argsort(-probabilities, kind="stable"):
            line = printed[: len("0.000000  ") + len(labels[number])]
            printed = printed[len(line) + 1 :]
            assert line[10:] == labels[number]
            assert float(line[:8]) == pytest.approx(probabilities[number], abs=3e-6)
    none = subprocess.run(["./recognize", "none.json"], cwd=tmp_path, capture_output=True)
    assert (none.returncode, none.stderr) == (1, b"the clip cannot be read\n")


@pytest.mark.release
@pytest.mark.parametrize("name", FILES)
def test_kotlin(models: dict[str, Path], name: str, tmp_path: Path) -> None:
    """Compiled without a warning, and run with what stands for Android's interpreter: it is given
    what `predict` feeds."""
    if not KOTLINC.exists() or shutil.which("javac") is None:
        pytest.skip("javac, or kotlinc, which tools/npm_packages.py downloads, is not here")
    signbart_port.snippets(models[name], "kotlin", out=tmp_path / "recognize.kt")
    run("javac", "-d", "classes", *STAND_INS.rglob("*.java"), cwd=tmp_path)
    run(
        *("bash", KOTLINC, "recognize.kt", STAND_INS / "main.kt", "-Werror"),
        *("-cp", "classes", "-include-runtime", "-d", "program.jar"),
        cwd=tmp_path,
    )
    clips, runner = hard_clips(), Runner(models[name])
    numbers = [" ".join(map(str, [clip.shape[1], *clip.ravel()])) for clip in clips]
    printed = run(
        *("java", "-cp", "classes:program.jar", "MainKt"),
        cwd=tmp_path,
        stdin="\n".join(numbers).replace("nan", "NaN"),  # as Java spells it
    ).splitlines()
    for clip in clips:
        inputs = runner.prepare(clip)
        assert printed.pop(0) == inputs.signature
        for values in (inputs.keypoints, inputs.attention_mask):
            given = np.array(printed.pop(0).split(), np.float32)
            np.testing.assert_array_equal(given, values.ravel())


@pytest.mark.release
def test_the_app_around_it(models: dict[str, Path], tmp_path: Path) -> None:
    """That of docs/how-to/app.md, compiled without a warning."""
    if not KOTLINC.exists() or shutil.which("javac") is None:
        pytest.skip("javac, or kotlinc, which tools/npm_packages.py downloads, is not here")
    _, app = re.findall(r"^```kotlin\n(.*?)^```", APP.read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "app.kt").write_text(app)
    written = signbart_port.snippets(models["lengths"], "kotlin", out=tmp_path / "recognize.kt")
    assert "val LABELS" in written.source
    run("javac", "-d", "classes", *STAND_INS.rglob("*.java"), cwd=tmp_path)
    compiler = ("bash", KOTLINC, "recognize.kt", "-Werror", "-cp", "classes", "-d", "program.jar")
    run(*compiler, "app.kt", cwd=tmp_path)
    (tmp_path / "app.kt").write_text(app.replace("LABELS", "NAMES"))
    with pytest.raises(AssertionError, match="unresolved reference 'NAMES'"):
        run(*compiler, "app.kt", cwd=tmp_path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("language", "grammar"),
    [("kotlin", tree_sitter_kotlin), ("swift", tree_sitter_swift), ("dart", tree_sitter_dart)],
)
def test_it_is_of_the_language(
    models: dict[str, Path], name: str, language: str, grammar: ModuleType
) -> None:
    """Parsed by a grammar of it: neither Swift nor Dart can be run here."""
    source = signbart_port.snippets(models[name], language).source.encode()
    tree = Parser(Language(grammar.language())).parse(source)
    assert not tree.root_node.has_error
    broken = Parser(Language(grammar.language())).parse(source + b"}\n")
    assert broken.root_node.has_error
