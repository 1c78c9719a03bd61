"""A model's file as a Keras model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import ENVIRONMENT


@pytest.mark.release
def test_it_prints_nothing(ported: Path) -> None:
    """Neither do the frameworks, whose lines would stand in a notebook."""
    code = "import sys, signbart_port; signbart_port.load(sys.argv[1])"
    command = [sys.executable, "-c", code, str(ported / "model.h5")]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
