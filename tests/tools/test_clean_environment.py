"""Clean environments see nothing of the one that makes them; what is installed is measured."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from clean_environment import MEBIBYTE, CleanEnvironment


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> CleanEnvironment:
    return CleanEnvironment.create(tmp_path_factory.mktemp("clean") / "environment")


def wheel(folder: Path, size: int) -> Path:
    """Write a wheel of one package that prints a line, with a file of `size` bytes."""
    path = folder / "small-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("small/__init__.py", "def main():\n    print('ran')\n")
        archive.writestr("small/data", bytes(size))
        info = "small-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        archive.writestr(f"{info}/entry_points.txt", "[console_scripts]\nsmall = small:main\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def test_a_wheel_is_installed_measured_and_run(
    environment: CleanEnvironment, tmp_path: Path
) -> None:
    size = 3 * MEBIBYTE
    took = environment.install(wheel(tmp_path, size), options=("--no-index",))
    assert took.seconds > 0
    assert size / MEBIBYTE <= took.mebibytes < size / MEBIBYTE + 0.1
    assert environment.run("small", cwd=tmp_path).stdout == "ran\n"


def test_the_callers_packages_are_not_seen(
    environment: CleanEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    done = environment.run("python", "-c", "import signbart_port", cwd=tmp_path)
    assert done.returncode == 1 and "No module named 'signbart_port'" in done.stderr


def test_a_failed_installation_raises_with_the_words_of_pip(
    environment: CleanEnvironment, tmp_path: Path
) -> None:
    with pytest.raises(subprocess.CalledProcessError) as error:
        environment.install("absent", options=("--no-index", "--find-links", str(tmp_path)))
    assert "No matching distribution found for absent" in error.value.stderr
