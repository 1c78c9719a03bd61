"""Lock what an installation brings, with the hashes of its files: python tools/lock.py

Writes the files of `locks/`, with the versions of `constraints.txt`. What constraints.txt leaves
open stays as it is in the lock, or is the newest. Needs uv (`pip install uv`).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "locks"
EXTRAS = ("base", "all")
"""What is locked: the program alone, and with all extras that users install."""

HEADER = """\
# What signbart-port{extra} installs, for Python 3.11 to 3.13 on Linux and macOS.
#     pip install --require-hashes -r locks/{name}.txt && pip install --no-deps signbart-port
# `python tools/lock.py` renews this file.
"""
OF_TORCH = """\
# The hashes are those of PyPI, whose PyTorch for Linux brings CUDA. PyTorch's own builds for CPUs
# are other files: their hashes are missing here, and pip refuses them.
"""


def pin(name: str, lock: Path) -> None:
    """Write the pins and hashes of an extra, as uv resolves them, over those of before."""
    extra = [] if name == "base" else ["--extra", name]
    options = ["--universal", "--generate-hashes", "--no-header", "--no-annotate"]
    sources = ["pyproject.toml", *extra, "--constraint", "constraints.txt"]
    command = ["uv", "pip", "compile", "--quiet", *options, "--output-file", str(lock), *sources]
    if code := subprocess.run(command, cwd=ROOT).returncode:
        sys.exit(code)


def main() -> None:
    """Write every lock anew."""
    if not shutil.which("uv"):
        sys.exit("lock: uv is not installed. Install it: pip install uv")
    LOCKS.mkdir(exist_ok=True)
    for name in EXTRAS:
        pin(name, lock := LOCKS / f"{name}.txt")
        pins = lock.read_text()
        header = HEADER.format(name=name, extra="" if name == "base" else f"[{name}]")
        lock.write_text(header + (OF_TORCH if "\ntorch==" in pins else "") + pins)


if __name__ == "__main__":
    main()
