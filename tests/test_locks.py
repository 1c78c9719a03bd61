"""The locks of an installation agree with what the project declares and with constraints.txt."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def requirements(lines: list[str]) -> dict[str, Requirement]:
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(one.name): one for one in found}


def pins(lock: str) -> list[str]:
    """The pins of a lock, each on one line with its hashes."""
    text = (ROOT / "locks" / f"{lock}.txt").read_text().replace("\\\n", "")
    return [line for line in text.splitlines() if not line.startswith("#")]


def locked(lock: str) -> dict[str, Requirement]:
    return requirements([line.partition(" --hash")[0] for line in pins(lock)])


def version(pin: Requirement) -> str:
    return str(pin.specifier).removeprefix("==")


def declared(lock: str) -> dict[str, Requirement]:
    """What the project itself requires, with its bounds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"] if lock == "all" else {}
    groups = [extras[name] for name in extras.keys() - {"dev", "peers"}]
    found = requirements([*project["dependencies"], *(one for group in groups for one in group)])
    return {name: bound for name, bound in found.items() if name != "signbart-port"}


LOCKS = pytest.mark.parametrize("lock", ["all", "base"])


@LOCKS
def test_every_line_is_a_pin_with_hashes_and_no_address(lock: str) -> None:
    pin = re.compile(r"[\w.-]+==[\w.]+( ; [^:\\]+?)?( +--hash=sha256:[0-9a-f]{64})+")
    assert pins(lock) and [line for line in pins(lock) if not pin.fullmatch(line)] == []


@LOCKS
def test_what_the_project_requires_is_locked_within_its_bounds(lock: str) -> None:
    got = locked(lock)
    for name, bound in declared(lock).items():
        assert bound.specifier.contains(version(got[name])), name


@LOCKS
def test_what_a_locked_package_requires_is_locked(lock: str) -> None:
    got = locked(lock)
    here = [name for name, pin in got.items() if pin.marker is None]
    for name in here:
        for line in requires(name) or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) in got, f"{needed.name}, which {name} needs"


@LOCKS
def test_the_versions_are_those_of_the_constraints(lock: str) -> None:
    """What constraints.txt does not name is for some machines only, as CUDA's packages are."""
    text = (ROOT / "constraints.txt").read_text().splitlines()
    bounds = requirements([line for line in text if not line.startswith("#")])
    for name, pin in locked(lock).items():
        if name in bounds:
            assert pin.specifier == bounds[name].specifier, name
        else:
            assert pin.marker is not None, name
