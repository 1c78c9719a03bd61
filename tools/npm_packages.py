"""Put packages of npm that tests need into `.npm/`: python tools/npm_packages.py NAME...

The tests skip by name where a package is not there. Each is pinned, and checked by its SHA-256.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from signbart_port.system import digest

TO = Path(__file__).parents[1] / ".npm"
PACKAGES = {
    # TensorFlow Lite's C API: its header and, for Linux, its library.
    "tfjs-tflite-node": (
        "0.0.2",
        "3be1632328a76a2475e5b6833253763c802c859433becb4d879ee1860e3b5284",
    ),
    # What kotlinc itself is; it needs Java.
    "kotlin-compiler": (
        "2.4.20",
        "c23dab400d7ce5ea8b6c909947c0ca5454189e4bb1108695b5f464500e5e950f",
    ),
}
"""The version of each package and the SHA-256 of its archive."""


def main(names: list[str]) -> None:
    """Download packages that are not there yet."""
    if unknown := [name for name in names if name not in PACKAGES]:
        raise SystemExit(f"{unknown[0]} is none of {', '.join(PACKAGES)}")
    for name in names or PACKAGES:
        if not (TO / name).is_dir():
            download(name)


def download(name: str) -> None:
    """Download a package, and unpack it where tests look for it."""
    version, sha256 = PACKAGES[name]
    TO.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=TO) as temp:
        archive = packed(name, version, Path(temp))
        if (got := digest.of_file(archive)) != sha256:
            raise SystemExit(f"{archive.name} is not the one that is pinned: its SHA-256 is {got}")
        shutil.move(unpacked(archive), TO / name)


def packed(name: str, version: str, folder: Path) -> Path:
    """Download a package into a folder, and return its archive."""
    command = ["npm", "pack", "--silent", f"{name}@{version}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return folder / done.stdout.strip()


def unpacked(archive: Path) -> Path:
    """Unpack a package beside its archive, and return its folder."""
    folder = archive.with_suffix("")
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")
    return folder / "package"


if __name__ == "__main__":
    main(sys.argv[1:])
