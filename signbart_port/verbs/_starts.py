"""Whether the installed packages start: each is imported in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from signbart_port.system.packages import PACKAGES, is_installed
from signbart_port.system.progress import ProgressCallback
from signbart_port.system.worker import Limits, Worker, WorkerFailed
from signbart_port.verbs._known_faults import Fault

_WORKER = "signbart_port.verbs.workers.package_import"
_SECONDS = 300


@dataclass(frozen=True)
class ImportJob:
    """The import of a module."""

    module: str


def failed_imports(progress: ProgressCallback) -> Iterator[Fault]:
    """Import every package that is installed, and yield those that do not start."""
    for package in PACKAGES.values():
        if not is_installed(package.module):
            continue
        progress(f"Importing {package.name}")
        with Worker(_WORKER) as worker:
            try:
                worker.run(ImportJob(package.module), Limits(_SECONDS))
            except WorkerFailed as failed:
                what = f"{package.name} is installed and does not start ({failed.failure.message})"
                yield Fault(what, f"pip install --force-reinstall {package.distribution}")
