"""An environment that has only some of the packages of this one, and takes no time to install."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement


def linked_environment(folder: Path, extra: str = "") -> Path:
    """Make a virtual environment of links to what `pip install signbart-port[extra]` would bring.

    Returns the folder of its programs.
    """
    command = [sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(folder)]
    subprocess.run(command, check=True)
    (site,) = folder.glob("lib/python3.*/site-packages")
    for distribution in set(_required("signbart-port", extra)):
        of = _installed(distribution)
        for name in {file.parts[0] for file in of.files or ()} - {"..", "__pycache__"}:
            link = site / name
            if not link.exists():
                link.symlink_to(Path(str(of.locate_file(name))))
    return folder / "bin"


def _installed(name: str) -> metadata.Distribution:
    """Return a distribution of this environment: the checkout may hold another record of ours."""
    return next(iter(metadata.distributions(name=name, path=[sysconfig.get_path("purelib")])))


def _required(name: str, extra: str) -> Iterator[str]:
    """Yield a distribution and all that it requires."""
    yield name
    for required in map(Requirement, _installed(name).requires or ()):
        if required.marker is None or required.marker.evaluate({"extra": extra}):
            for of in required.extras or ("",):
                yield from _required(required.name, of)
            if required.extras:
                yield from _required(required.name, "")
