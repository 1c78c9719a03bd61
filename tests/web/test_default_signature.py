"""The signature that a runner takes by default: the one for the longest clips."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ai_edge_litert.interpreter import Interpreter

from tests.support.node import PROGRAMS, WEB, run_node


def test_litert_js_takes_the_longest(small_tflite: Callable[..., Path]) -> None:
    done = run_node(PROGRAMS / "default_signature.mjs", WEB, small_tflite(4, 16))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["key"] == "serving_default"
    assert found["inputs"] == {"attention_mask": [1, 16], "keypoints": [1, 16, 12, 2]}
    assert {*found["signatures"]} == {"serving_default", "frames_4"}


def test_an_interpreter_without_signatures_takes_the_longest(
    small_tflite: Callable[..., Path],
) -> None:
    """As apps run one: by the first subgraph."""
    interpreter = Interpreter(str(small_tflite(4, 16)))
    shapes = sorted(tuple(one["shape"]) for one in interpreter.get_input_details())
    assert shapes == [(1, 16), (1, 16, 12, 2)]
