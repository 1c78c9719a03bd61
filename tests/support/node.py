"""Programs that tests run under Node."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PROGRAMS = Path(__file__).parent / "programs"
WEB = Path(__file__).parents[2] / "signbart_port" / "web"
SITE = WEB / "site"


def run_node(
    program: Path, *arguments: object, stdin: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess:
    """Run a program under Node; skips the test where there is none."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    return subprocess.run(
        [node, str(program), *map(str, arguments)],
        input=stdin,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
    )


def prepared_in_node(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what JavaScript makes of clips, by `prepare_clips.mjs`: arrays, or an `error`."""
    jobs = [job | {"clip": _encoded(job["clip"])} for job in jobs]
    done = run_node(PROGRAMS / "prepare_clips.mjs", SITE, stdin=json.dumps(jobs))
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert len(results) == len(jobs)
    return [_decoded(one) for one in results]


def _encoded(array: np.ndarray) -> dict[str, Any]:
    content = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"type": array.dtype.name, "shape": array.shape, "base64": content}


def _decoded(result: dict[str, Any]) -> Any:
    if "base64" in result:
        numbers = np.frombuffer(base64.b64decode(result["base64"]), np.float32)
        return numbers.reshape(result["shape"])
    return {k: _decoded(v) if isinstance(v, dict) else v for k, v in result.items()}
