"""Fetch the files of a model into the cache of huggingface_hub, by a commit, checked by their
hashes.

A process of its own: the library reads its settings from the environment when it is imported, and
what a hub sends is bounded in memory, time and size.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import resource
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signbart_port.errors import PortError, printable
from signbart_port.hub.address import Address
from signbart_port.hub.fetch import Download, Downloaded, Origin
from signbart_port.hub.selection import check_sizes, select
from signbart_port.system import digest
from signbart_port.system.serving import Arrays, Result, serve, step

if TYPE_CHECKING:
    from huggingface_hub import HfApi

os.environ |= {  # before the library is imported
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_XET": "1",  # another protocol, to other hosts
}
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TAG = re.compile(r'(W/)?"?[\w.+=:-]{1,128}"?', re.ASCII)
_SECONDS = 30  # for an answer to begin, and between two parts of it
_SMALLEST_LIMIT = 1 << 20  # bytes of a file: room for the library's own
_TOKEN = "If it is private or gated: --hf-token HF_TOKEN sends the token in that variable"


@dataclass(frozen=True)
class _Stated:
    """What the hub states of a file, or the cache by the name that it keeps it under."""

    size: int | None = None
    sha256: str | None = None
    git: str | None = None
    """The hash that git has for it."""


def _run(job: Download, _: Arrays) -> Result:
    from huggingface_hub import constants

    token: str | bool = os.environ[job.access.token] if job.access.token else False
    _guard(constants.ENDPOINT)
    found = _from_cache(job) if constants.HF_HUB_OFFLINE else _from_hub(job, token)
    commit, weights, paths = found
    return Downloaded(
        _alone(job.address, commit, weights, paths),
        Origin(
            job.address.repository,
            job.address.revision,
            commit,
            {name: digest.of_file(path) for name, path in paths.items()},
        ),
    ), {}


def _from_hub(job: Download, token: str | bool) -> tuple[str, str, dict[str, Path]]:
    """Return the commit, the name of the weights, and the files by their names."""
    from huggingface_hub import HfApi, hf_hub_download

    address = job.address
    step("Asking the hub")
    commit, stated = _listed(HfApi(token=token), address)
    chosen = select(address, stated)
    check_sizes({name: stated[name].size for name in chosen.files}, job.access.max_download)
    paths = {}
    for name in chosen.files:
        size = stated[name].size or 0
        if not (stated[name].sha256 or stated[name].git):
            raise PortError(None, f"the hub states no hash of {name}")
        step(f"Fetching {name}, {size:,} bytes")
        with _library_errors(address), _largest_file(size):
            paths[name] = Path(
                hf_hub_download(address.repository, name, revision=commit, token=token)
            )
        _check(paths[name], name, stated[name])
    _keep_reference(paths[chosen.weights], chosen.weights, address.revision, commit)
    return commit, chosen.weights, paths


def _listed(api: HfApi, address: Address) -> tuple[str, dict[str, _Stated]]:
    """Return the commit of the revision, and what is stated of each file of it."""
    with _library_errors(address):
        info = api.model_info(
            address.repository, revision=address.revision, files_metadata=True, timeout=_SECONDS
        )
        stated = {
            str(one.rfilename): _Stated(one.size, one.lfs.sha256 if one.lfs else None, one.blob_id)
            for one in info.siblings or ()
        }
        commit = str(info.sha)
    asked = address.revision
    if not _COMMIT.fullmatch(commit) or (_COMMIT.fullmatch(asked) and commit != asked):
        raise PortError(None, f"the hub answers with another commit: {printable(commit, 60)}")
    return commit, stated


def _from_cache(job: Download) -> tuple[str, str, dict[str, Path]]:
    """Return the same without a network, of what is in the cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    address = job.address
    try:
        snapshot = Path(
            snapshot_download(address.repository, revision=address.revision, local_files_only=True)
        )
    except LocalEntryNotFoundError:
        what = "is not in the cache, and HF_HUB_OFFLINE forbids to fetch it"
        raise PortError(None, what, "Fetch it once without HF_HUB_OFFLINE") from None
    there = {
        path.relative_to(snapshot).as_posix(): path
        for path in snapshot.rglob("*")
        if path.is_file()
    }
    chosen = select(address, there)
    paths = {name: there[name] for name in chosen.files}
    for name, path in paths.items():
        _check(path, name, _kept_as(path))
    return snapshot.name, chosen.weights, paths


def _kept_as(path: Path) -> _Stated:
    """Return what the cache states of a file: it keeps its bytes under their hash."""
    name = path.readlink().name if path.is_symlink() else ""
    return _Stated(
        sha256=name if _SHA256.fullmatch(name) else None,
        git=name if _COMMIT.fullmatch(name) else None,
    )


def _check(path: Path, name: str, stated: _Stated) -> None:
    """Raise PortError for a file that lies outside of the cache, or is not what is stated."""
    from huggingface_hub import constants

    real = path.resolve()
    if not real.is_relative_to(Path(constants.HF_HUB_CACHE).resolve()):
        raise PortError(None, f"{name} leads out of the cache, to {real}")
    if stated.sha256:
        expected, found = stated.sha256, digest.of_file(real)
    elif stated.git:
        expected, found = stated.git, _git_hash(real)
    else:
        return
    if found != expected:
        what = f"{name} is damaged: its hash is {found}, and {printable(expected, 70)} is stated"
        raise PortError(None, what, f"Remove {real} and try again")


def _git_hash(path: Path) -> str:
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _keep_reference(path: Path, name: str, revision: str, commit: str) -> None:
    """Note in the cache which commit a branch or tag was, as the library does: for HF_HUB_OFFLINE.

    The library notes it only where it may look up the branch itself, for each file anew.
    """
    if revision == commit:
        return
    repository = path.parents[name.count("/") + 2]
    reference = repository / "refs" / revision
    with suppress(OSError):  # a cache that is read-only, or a branch `a/b` beside a tag `a`
        reference.parent.mkdir(parents=True, exist_ok=True)
        temp = reference.with_name(f"{reference.name}.{secrets.token_hex(4)}.tmp")
        temp.write_text(commit)
        temp.replace(reference)


def _alone(address: Address, commit: str, weights: str, paths: Mapping[str, Path]) -> Path:
    """Return the weights in a folder of their own, with links to the chosen files and no other: a
    snapshot in the cache may hold more, which another program has fetched."""
    from huggingface_hub import cached_assets_path

    try:
        folder = cached_assets_path("signbart-port", address.repository, commit) / weights
        folder.mkdir(parents=True, exist_ok=True)
        links = {Path(name).name: path.resolve() for name, path in paths.items()}
        for name, path in links.items():
            temp = folder / f".{secrets.token_hex(4)}"
            temp.symlink_to(path)
            temp.replace(folder / name)
    except OSError as error:
        what = f"the cache cannot be written: {error.strerror}"
        raise PortError(None, what, "Set HF_ASSETS_CACHE to another folder") from None
    return folder / Path(weights).name


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    """Bound what this process may write to one file: a hub may send more than it has stated."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = max(size, _SMALLEST_LIMIT)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _guard(endpoint: str) -> None:
    """Let the library send a token to the hub alone, and take no hash that is a path: it names
    files in the cache after what a hub answers."""
    from huggingface_hub import get_session, set_client_factory

    def send(request: Any) -> None:
        if _host(str(request.url)) != _host(endpoint):
            request.headers.pop("authorization", None)

    def receive(response: Any) -> None:
        for header in ("etag", "x-linked-etag", "x-repo-commit"):
            if not _TAG.fullmatch(response.headers.get(header, "none")):
                raise ValueError(f"{header} is {printable(response.headers[header], 60)}")

    library = get_session()

    def client() -> Any:
        hooks: Any = {"request": [*library.event_hooks["request"], send], "response": [receive]}
        return type(library)(event_hooks=hooks, follow_redirects=True, timeout=_SECONDS)

    set_client_factory(client)


def _host(url: str) -> str:
    """Return the scheme, the host and the port of a URL."""
    return "/".join(url.split("/", 3)[:3]).lower()


@contextmanager
def _library_errors(address: Address) -> Iterator[None]:
    """Turn what the library raises into one line."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        what = "is gated: the hub gives it to those alone who have accepted its terms"
        raise PortError(None, what, f"Accept them on its page. {_TOKEN}") from None
    except errors.RepositoryNotFoundError:
        raise PortError(None, "the hub has no such repository", _TOKEN) from None
    except errors.RevisionNotFoundError:
        what = f"the repository has no revision {address.revision}"
        raise PortError(None, what, "Name a branch, a tag or a commit after the @") from None
    except errors.HfHubHTTPError as error:
        what = f"the hub answers {error.response.status_code}"
        refused = error.response.status_code in (401, 403)
        raise PortError(None, what, _TOKEN if refused else "Try again later") from None
    except Exception as error:  # of the network, of the cache, of an answer that is none
        if getattr(error, "errno", None) == errno.EFBIG:
            raise PortError(None, "the hub sends more bytes than it states") from None
        why = error.__cause__ or error
        what = f"cannot be fetched ({type(why).__name__}: {printable(why)})"
        raise PortError(None, what, "Look at the connection and at HF_ENDPOINT") from None


if __name__ == "__main__":
    serve(Download, _run, framework="huggingface_hub", memory=2 << 30)
