"""What is installed, which verbs work with it, and what is known to be wrong with it.

No framework is imported: versions are those of the packages' metadata.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from signbart_port import requirements
from signbart_port.system.packages import PACKAGES, extras_of, is_installed
from signbart_port.system.progress import ProgressCallback
from signbart_port.system.version import __version__
from signbart_port.verbs._known_faults import KNOWN_FAULTS, Fault
from signbart_port.verbs._starts import failed_imports

_OURS = "signbart-port"


@dataclass(frozen=True)
class PackageState:
    """A package of this program."""

    name: str
    distribution: str
    """What pip calls it."""
    extra: str
    """The extra that installs it. Empty: it comes with this program."""
    version: str | None
    """None: it is not installed."""


@dataclass(frozen=True)
class CaseState:
    """Whether the packages of some verbs are there."""

    verbs: tuple[str, ...]
    case: str
    """The files or options that it is about. Empty: all."""
    needs: tuple[str, ...]
    """The packages that they need beside those that come with this program."""
    missing: tuple[str, ...]
    """Those of them that are not installed."""
    extras: tuple[str, ...]
    """The extras that install what is missing."""


@dataclass(frozen=True)
class Diagnosis:
    """The installation as it is."""

    version: str
    python: str
    system: str
    packages: tuple[PackageState, ...]
    cases: tuple[CaseState, ...]
    faults: tuple[Fault, ...]


def diagnose(importing: ProgressCallback | None = None) -> Diagnosis:
    """Look at the installation. With `importing`, which is called with each step, every package is
    also imported, in a process of its own."""
    versions = _installed_versions()
    return Diagnosis(
        version=__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        packages=tuple(
            PackageState(one.name, one.distribution, one.extra, versions.get(one.distribution))
            for one in PACKAGES.values()
        ),
        cases=tuple(_cases()),
        faults=(
            *_unmet(versions),
            *_half_installed(versions),
            *(fault for known in KNOWN_FAULTS for fault in known(versions)),
            *(failed_imports(importing) if importing else ()),
        ),
    )


def _installed_versions() -> dict[str, str]:
    """Return the version of every distribution, by its normalized name: of the first that an
    import would find."""
    return {
        canonicalize_name(name): one.version
        for one in reversed([*metadata.distributions()])
        if (name := one.metadata["Name"])  # half removed ones have none
    }


def _cases() -> Iterator[CaseState]:
    yield CaseState(requirements.ON_BASE, "", (), (), ())
    for (case, modules), verbs in requirements.by_case().items():
        needs = [PACKAGES[module] for module in modules]
        missing = [package for package in needs if not is_installed(package.module)]
        yield CaseState(
            tuple(verbs),
            case,
            tuple(package.name for package in needs),
            tuple(package.name for package in missing),
            tuple(extras_of(missing)),
        )


def _unmet(versions: Mapping[str, str]) -> Iterator[Fault]:
    """Yield what installed packages require of others and do not have, from this program on.

    Of its own extras, what is installed must fit.
    """
    extras = {package.extra for package in PACKAGES.values()}
    seen, left = [_OURS], [_OURS]
    while left:
        name, *left = left
        for required in map(Requirement, metadata.requires(name) or ()):
            of = canonicalize_name(required.name)
            version = versions.get(of)
            needed = _applies(required, "")
            if not needed and not (name == _OURS and any(_applies(required, e) for e in extras)):
                continue
            if needed if version is None else not required.specifier.contains(version, True):
                has = f"{version} is" if version else "which is not"
                what = f"{name} needs {required.name}{required.specifier}, {has} installed"
                yield Fault(what, f'pip install "{required.name}{required.specifier}"')
            if version and of not in seen:
                seen.append(of)
                left.append(of)


def _half_installed(versions: Mapping[str, str]) -> Iterator[Fault]:
    """Yield the packages whose module is there and whose metadata is not, or the reverse."""
    for package in PACKAGES.values():
        name, there = package.distribution, is_installed(package.module)
        if there == (name in versions):
            continue
        what = (
            "of another distribution" if there else "recorded as installed, and its files are gone"
        )
        yield Fault(f"{package.name} is {what}", f"pip install --force-reinstall {name}")


def _applies(required: Requirement, extra: str) -> bool:
    return required.marker is None or required.marker.evaluate({"extra": extra})
