"""What a wheel must hold, checked where it is declared: CI builds and uses one as well."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from shutil import which

import pytest
from setuptools import find_packages

ROOT = Path(__file__).parents[1]


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_is_installed() -> None:
    declared = set(
        find_packages(ROOT, include=["pt_reference", "signbart_port", "signbart_port.*"])
    )
    found = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for package in ("signbart_port", "pt_reference")
        for file in (ROOT / package).rglob("__init__.py")
    }
    assert declared == found


def test_every_data_file_is_installed() -> None:
    patterns = project()["tool"]["setuptools"]["package-data"]
    for file in (ROOT / "signbart_port").rglob("*"):
        if file.is_dir() or file.suffix in (".py", ".pyc"):
            continue
        folder = next(one for one in file.parents if (one / "__init__.py").exists())
        package = ".".join(folder.relative_to(ROOT).parts)
        declared = patterns["*"] + patterns.get(package, [])
        assert any(file.match(pattern) for pattern in declared), file


def pinned(file: str) -> set[str]:
    """The packages of a constraints file, each of one exact version."""
    found = set()
    for line in (ROOT / file).read_text().splitlines():
        if not line.startswith("#"):
            name, version = line.split("==")
            assert re.fullmatch(r"[\d.]+(post\d+)?", version), line
            found.add(name.lower().replace("_", "-"))
    return found


def required(*extras: str) -> set[str]:
    """The packages that an installation with these extras requires itself."""
    declared = project()["project"]
    found, left = set(), [*declared["dependencies"]]
    for extra in extras:
        left += declared["optional-dependencies"][extra]
    for requirement in left:
        name, _, of = re.split(r"[>=<]", requirement)[0].lower().partition("[")
        found |= required(*of.rstrip("]").split(",")) if of else {name}
    return found


@pytest.mark.parametrize(
    ("extra", "file"), [("dev", "constraints.txt"), ("peers", "tools/bench_constraints.txt")]
)
def test_every_dependency_is_pinned_exactly(extra: str, file: str) -> None:
    assert required(extra) <= pinned(file), required(extra) - pinned(file)


def test_all_is_what_every_other_extra_has() -> None:
    extras = project()["project"]["optional-dependencies"].keys()
    assert required("all") == required(*extras - {"dev", "peers"})


def test_a_package_is_bound_once() -> None:
    declared = project()["project"]
    groups = [declared["dependencies"], *declared["optional-dependencies"].values()]
    names = [re.split(r"[>=<]", one)[0] for group in groups for one in group if "[" not in one]
    assert len(names) == len(set(names))


def test_torch_is_the_pinned_one() -> None:
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text().split()


@pytest.mark.skipif(which("make") is None, reason="there is no make")
@pytest.mark.parametrize("index", ["", "https://index.example/cpu"])
def test_another_index_is_for_torch_alone_and_comes_first(index: str, tmp_path: Path) -> None:
    """Whether or not this checkout is set up."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).symlink_to(ROOT / name)
    command = ["make", "--dry-run", ".venv/installed", f"TORCH_INDEX={index}"]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    installs = [line for line in done.stdout.splitlines() if " pip install " in line]
    assert "--editable" in installs[-1] and "--index-url" not in installs[-1]
    of_torch = [line.partition("--constraint ")[2] for line in installs[:-1]]
    expected = f"constraints.txt --no-deps --index-url {index} torch"
    assert of_torch == ([expected] if index else [])
