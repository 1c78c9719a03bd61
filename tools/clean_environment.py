"""Clean environments: a new virtual environment of some Python, installed into and measured.

    environment = CleanEnvironment.create(folder, python="python3.12")
    installed = environment.install(f"{wheel.absolute()}[extra]", constraints=constraints)
    environment.run("signbart-port", "--help", cwd=elsewhere)

Nothing of the checkout or of the caller's environment is seen in there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 1024**2


@dataclass(frozen=True)
class Installed:
    """What an installation took, downloads included."""

    seconds: float
    mebibytes: float
    """What site-packages has grown by, compiled modules included."""


@dataclass(frozen=True)
class CleanEnvironment:
    """A virtual environment that is used from outside."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, python: str = sys.executable) -> CleanEnvironment:
        """Make a new environment of a Python: a command, or a path to one."""
        subprocess.run([python, "-m", "venv", folder], check=True, env=_variables())
        return cls(folder)

    @property
    def site_packages(self) -> Path:
        (found,) = self.folder.absolute().glob("lib/python3.*/site-packages")
        return found

    def install(
        self,
        *requirements: str | Path,
        constraints: Path | None = None,
        options: tuple[str, ...] = (),
    ) -> Installed:
        """Install requirements with pip; paths among them are absolute.

        Raises CalledProcessError, with pip's words in `stderr`, where that fails.
        """
        bounds: list[str | Path] = ["--constraint", constraints.absolute()] if constraints else []
        before, start = self.mebibytes(), time.monotonic()
        pip = ["-m", "pip", "install", "--quiet", *options, *bounds, *requirements]
        self.run("python", *pip, cwd=self.folder).check_returncode()
        return Installed(time.monotonic() - start, self.mebibytes() - before)

    def mebibytes(self) -> float:
        """Return the size of what is installed, as the sum of its files."""
        files = (file for file in self.site_packages.rglob("*") if file.is_file())
        return sum(file.stat().st_size for file in files) / MEBIBYTE

    def run(
        self, program: str, *arguments: str | Path, cwd: Path
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, and return what it printed and its exit code."""
        return subprocess.run(
            [self.folder.absolute() / "bin" / program, *arguments],
            cwd=cwd,
            env=_variables(),
            capture_output=True,
            text=True,
        )


def _variables() -> dict[str, str]:
    """Return this process's variables without those that lead Python to other packages."""
    leading = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")
    return {name: value for name, value in os.environ.items() if name not in leading}
