"""Draw the certificate of the sample in a browser: docs/certificate.png, for the README.

    python tools/certificate.py

Needs Chromium. The picture is the top of the page that `convert --report proof.html` writes.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

import signbart_port

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "certificate.png"
WIDTH, HEIGHT = 1180, 948
"""Of the window, in pixels: the verdict and the table of blocks."""


def draw(page: Path, out: Path) -> None:
    """Write a screenshot of the top of a page."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    size = f"--window-size={WIDTH},{HEIGHT}"
    command = ["chromium", *flags, size, f"--screenshot={out}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True)
    with Image.open(out) as picture:
        palette = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=2)
        palette.save(out, optimize=True)  # a third of the bytes; the colors stay


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        shutil.copy(ROOT / "samples" / "synthetic-signs.pth", "model.pth")
        done = signbart_port.convert("model.pth", "model.h5")
        if done.report is None:
            sys.exit("the conversion has no proof")
        done.report.save("proof.html")
        draw(Path("proof.html").resolve(), OUT)
    print(f"{OUT}: {OUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
