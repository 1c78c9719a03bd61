"""A report as a document: versioned plain data that schema.json describes."""

from __future__ import annotations

import datetime
import json
import platform
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from math import isfinite
from typing import TYPE_CHECKING, Any

from signbart_port.system.version import __version__

if TYPE_CHECKING:
    from signbart_port.evaluation.result import Evaluation
    from signbart_port.parity.report import Report

SCHEMA = 1
"""The version of the document: it grows when a reader of the last one could not read this one."""

_PACKAGES = ("torch", "keras", "tensorflow", "ai-edge-litert", "numpy", "h5py", "safetensors")
EVALUATING = ("scikit-learn", "matplotlib")
"""The packages that an evaluation uses besides."""


@dataclass(frozen=True)
class Origin:
    """When and with what a report was made."""

    created: str
    version: str
    python: str
    system: str
    packages: dict[str, str]  # versions of the packages that compute and read

    @classmethod
    def now(cls, more: Sequence[str] = ()) -> Origin:
        """Return the origin of a report made now; `more` packages are added to the usual ones."""
        return cls(
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            version=__version__,
            python=platform.python_version(),
            system=f"{platform.system()} {platform.machine()}",
            packages=_versions((*_PACKAGES, *more)),
        )


def _versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed: the others took no part."""
    found = {}
    for name in packages:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def document(report: Report | Evaluation, origin: Origin) -> dict[str, Any]:
    """Return the report with its origin, ready for JSON except for figures that are not finite."""
    return {
        "schema": SCHEMA,
        "program": {"name": "signbart-port", "version": origin.version},
        "created": origin.created,
        "environment": {
            "python": origin.python,
            "system": origin.system,
            "packages": origin.packages,
        },
        **report.as_dict(),
    }


def strict_json(data: dict[str, Any], *, lines: bool = True) -> str:
    """Return JSON that every reader accepts: figures that are not finite become null.

    On several lines for people, or else on one.
    """
    indent = 2 if lines else None
    return json.dumps(_finite(data), indent=indent, default=str, allow_nan=False)


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not isfinite(data) else data


def bytes_of(size: int) -> str:
    """Return a file's size for the user."""
    return f"{size / 1e6:.2f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"
