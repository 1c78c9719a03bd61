"""The wheel and the source distribution, built from the files of the repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

import signbart_port

ROOT = Path(__file__).parents[1]
PACKAGES = ("signbart_port/", "pt_reference/", "mappings/")


@dataclass(frozen=True)
class Built:
    tracked: set[str]
    sdist: Path
    wheel: Path
    wheel_of_sdist: Path


def build(tree: Path, kind: str, out: Path) -> Path:
    command = [sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", out, tree]
    subprocess.run(command, check=True, capture_output=True)
    (found,) = out.iterdir()
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout, which says what belongs to the repository")
    temp = tmp_path_factory.mktemp("built")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True)
    tracked = set(listed.stdout.decode().splitlines())
    for name in tracked:
        (to := temp / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, to)
    sdist = build(temp / "tree", "sdist", temp / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(temp, filter="data")
    return Built(
        tracked,
        sdist,
        build(temp / "tree", "wheel", temp / "wheel"),
        build(temp / sdist.name.removesuffix(".tar.gz"), "wheel", temp / "wheel_of_sdist"),
    )


def files(wheel: Path) -> dict[str, int]:
    """The checksum of every file of a wheel, by its name."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.CRC for entry in archive.infolist()}


@pytest.mark.release
def test_the_wheel_of_the_sdist_is_that_of_the_repository(built: Built) -> None:
    assert files(built.wheel_of_sdist) == files(built.wheel)


@pytest.mark.release
def test_the_wheel_has_every_file_of_the_packages(built: Built) -> None:
    of_packages = {name for name in built.tracked if name.startswith(PACKAGES)}
    expected = {
        f"signbart_port/{name}" if name.startswith("mappings/") else name for name in of_packages
    }
    assert {name for name in files(built.wheel) if ".dist-info/" not in name} == expected


@pytest.mark.release
def test_the_wheel_has_the_licenses_of_all_that_it_holds(built: Built) -> None:
    name = f"signbart_port-{version('signbart-port')}.dist-info/licenses"
    licenses = {f"{name}/{one}" for one in built.tracked if Path(one).name.startswith("LICENSE")}
    assert len(licenses) > 1 and licenses <= files(built.wheel).keys()


@pytest.mark.release
def test_the_sdist_is_the_repository_without_what_git_and_its_host_read(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {one.name.partition("/")[2] for one in archive if one.isfile()}
    written = {name for name in names if ".egg-info/" in name} | {"PKG-INFO", "setup.cfg"}
    hosted = {name for name in built.tracked if name.startswith((".git", ".pre-commit"))}
    assert names - written == built.tracked - hosted


@pytest.mark.release
def test_both_pass_the_check_of_an_upload(built: Built) -> None:
    twine = [sys.executable, "-m", "twine", "check", "--strict", built.sdist, built.wheel]
    done = subprocess.run(twine, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_version_is_that_of_pyproject() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert signbart_port.__version__ == stated, "reinstall: pip install --no-deps --editable ."
