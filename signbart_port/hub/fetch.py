"""From an address to local files: the caller's side of the download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from signbart_port.hub import access, address
from signbart_port.hub.access import Access
from signbart_port.hub.address import Address
from signbart_port.system.packages import PACKAGES, absent, is_installed
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.system.worker import Limits, Worker, WorkerFailed

_WORKER = "signbart_port.hub.workers.download"
_SECONDS = 3600.0


@dataclass(frozen=True)
class Origin:
    """Where the files of a model come from."""

    repository: str
    revision: str
    """As the user asked: a branch, a tag or a commit."""
    commit: str
    files: Mapping[str, str]
    """The SHA-256 of each file, by its path in the repository."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return f"hf://{self.repository} at {self.revision}, commit {self.commit}"


@dataclass(frozen=True)
class Download:
    """The job of the worker."""

    address: Address
    access: Access


@dataclass(frozen=True)
class Downloaded:
    """The result of the worker: the weights, in a folder with nothing but the files of `origin`."""

    weights: Path
    origin: Origin


_origins: dict[Path, Origin] = {}


def fetched(path: Path, progress: ProgressCallback = no_progress) -> Path:
    """Return the weights that an address names, in the hub's cache; any other path as it is.

    Raises PortError where the model cannot be had: no such repository, too large, offline.
    """
    if not address.is_address(path):
        return path
    where = address.parse(path)
    if not is_installed("huggingface_hub"):
        raise absent([PACKAGES["huggingface_hub"]], str(where))
    progress("Fetching from the hub")
    with Worker(_WORKER) as worker:
        worker.send(Download(where, access.current()), Limits(_SECONDS))
        try:
            done = worker.answer(progress).read(Downloaded)
        except WorkerFailed as failed:
            raise failed.error(str(where), "cannot be fetched") from None
    remember(done.weights, done.origin)
    return done.weights


def remember(path: Path, origin: Origin | None) -> None:
    """Let `origin_of` know a file that this process, or the one that has started it, has
    fetched."""
    if origin is not None:
        _origins[path] = origin


def origin_of(path: Path) -> Origin | None:
    """Return where a fetched file comes from; None of any other file."""
    return _origins.get(path)
