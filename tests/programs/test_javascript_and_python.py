"""Programs for Python and JavaScript, run: they say what `predict` says."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import signbart_port
from tests.support.node import WEB
from tests.support.sites import serving
from tests.support.written_programs import (
    FILES,
    NAMED,
    as_json,
    encoded,
    expected,
    first_graph,
    hard_clips,
    run_javascript,
)

if TYPE_CHECKING:
    from tests.support.browser import Browser


@pytest.fixture(scope="module")
def in_javascript(
    models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], dict[str, Any]]:
    """What the programs for Node and React Native give for the clips, run in one process."""
    folder = tmp_path_factory.mktemp("javascript")
    clips, jobs = hard_clips(), {}
    for name, model in models.items():
        (folder / model.name).write_bytes(model.read_bytes())
        answers = [encoded(first_graph(model, clip)[1]) for clip in clips]
        for runtime in ("node", "react-native"):
            program = folder / f"{name}-{runtime}.mjs"
            signbart_port.snippets(model, "javascript", runtime=runtime, out=program)
            jobs[name, runtime] = {
                "program": str(program),
                "clips": [as_json(clip) for clip in clips],
                "answers": answers,
            }
    return dict(zip(jobs, run_javascript(folder, list(jobs.values())), strict=True))


@pytest.mark.parametrize("name", FILES)
def test_python(models: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(models[name].parent)
    source = signbart_port.snippets(models[name], "python").source
    (path := Path("recognize.py")).write_text(source, encoding="utf-8")
    program = runpy.run_path(str(path))
    assert program.get("LABELS") == NAMED[name]
    interpreter, clips = Interpreter(program["MODEL"]), hard_clips()
    got = np.stack([program["recognize"](interpreter, as_json(clip)) for clip in clips])
    assert got.astype(np.float32).tobytes() == expected(models[name], clips).tobytes()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("runtime", ["node", "react-native"])
def test_javascript(
    models: dict[str, Path],
    in_javascript: dict[tuple[str, str], dict[str, Any]],
    name: str,
    runtime: str,
) -> None:
    got, probabilities = in_javascript[name, runtime], expected(models[name], hard_clips())
    assert got.get("labels") == NAMED[name]
    assert not [text for text in got["warnings"] if "WebGPU" in text]
    np.testing.assert_allclose(np.array(got["probabilities"]), probabilities, rtol=0, atol=2e-6)
    first, second = np.argsort(-probabilities[0])[:2]
    labels = NAMED[name] or [f"class {number}" for number in range(5)]
    assert [label for _, label in got["best"]] == [labels[first], labels[second]]


@pytest.mark.parametrize("name", FILES)
def test_a_runtime_without_signatures_is_given_the_inputs_in_their_places(
    models: dict[str, Path], in_javascript: dict[tuple[str, str], dict[str, Any]], name: str
) -> None:
    """In every bit what the interpreter's first graph takes."""
    given = [[encoded(one) for one in first_graph(models[name], clip)[0]] for clip in hard_clips()]
    assert in_javascript[name, "react-native"]["inputs"] == given


PAGE = """<!doctype html>
<script type="importmap">{"imports": {"@litertjs/core": "./core.js"}}</script>
<script type="module">
import * as program from "./recognize.js";
const clips = await (await fetch("clips.json")).json();
const model = await program.open();
window.results = [];
for (const clip of clips) window.results.push(await program.recognize(model, clip));
window.done = true;
</script>"""


@pytest.mark.parametrize("name", ["lengths", "preprocessing"])
def test_a_browser(models: dict[str, Path], browser: Browser, name: str, tmp_path: Path) -> None:
    """With the files of LiteRT.js beside the page, one build under the name of the others."""
    (wasm := tmp_path / "wasm").mkdir()
    for file in ("core.js", "wasm-utils.js"):
        shutil.copy(WEB / "litert" / file, tmp_path)
    build = "litert_wasm_compat_internal"
    shutil.copy(WEB / "litert" / f"{build}.wasm", wasm)
    for loaded in ("compat_internal", "internal"):  # by what the browser is able to do
        shutil.copy(WEB / "litert" / f"{build}.js", wasm / f"litert_wasm_{loaded}.js")
    shutil.copy(models[name], tmp_path / f"{name}.tflite")
    signbart_port.snippets(models[name], "javascript", out=tmp_path / "recognize.js")
    clips = hard_clips()
    (tmp_path / "clips.json").write_text(json.dumps([as_json(clip) for clip in clips]))
    (tmp_path / "index.html").write_text(PAGE)
    with serving(tmp_path) as server:
        browser.open(server.url)
        browser.wait_for("window.done")
    got = np.array(browser.evaluate("window.results"))
    np.testing.assert_allclose(got, expected(models[name], clips), rtol=0, atol=2e-6)
