"""Fetch the files of a model into the cache of huggingface_hub, by a commit, checked by their
hashes.

A process of its own: the library reads its settings from the environment when it is imported, and
what a hub sends is bounded in memory, time and size.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from signbart_port.errors import PortError, printable
from signbart_port.hub.access import read_token
from signbart_port.hub.address import Address
from signbart_port.hub.fetch import Download, Downloaded, Origin
from signbart_port.hub.selection import check_sizes, select
from signbart_port.hub.workers.cache import COMMIT, Stated, alone, check, keep_reference, kept_as
from signbart_port.hub.workers.client import SECONDS, guard, largest_file, library_errors
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


@dataclass(frozen=True)
class _Found:
    """The files of a model in the cache."""

    commit: str
    weights: str
    """Their name in the repository."""
    paths: dict[str, Path]
    """Each file by its name, the weights first."""


def _run(job: Download, _: Arrays) -> Result:
    from huggingface_hub import constants

    guard(constants.ENDPOINT, with_token=job.access.token is not None)
    found = _from_cache(job.address) if constants.HF_HUB_OFFLINE else _from_hub(job)
    hashes = {name: digest.of_file(path) for name, path in found.paths.items()}
    address = job.address
    return Downloaded(
        alone(address.repository, found.commit, found.weights, found.paths),
        Origin(address.repository, address.revision, found.commit, hashes),
    ), {}


def _from_hub(job: Download) -> _Found:
    """Fetch what is not in the cache, each file by the commit that the revision is now."""
    from huggingface_hub import HfApi, hf_hub_download

    address = job.address
    token: str | bool = read_token(job.access.token) if job.access.token else False
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
        with library_errors(address), largest_file(size):
            paths[name] = Path(
                hf_hub_download(address.repository, name, revision=commit, token=token)
            )
        check(paths[name], name, stated[name])
    keep_reference(paths[chosen.weights], chosen.weights, address.revision, commit)
    return _Found(commit, chosen.weights, paths)


def _listed(api: HfApi, address: Address) -> tuple[str, dict[str, Stated]]:
    """Return the commit of the revision, and what is stated of each file of it."""
    with library_errors(address):
        info = api.model_info(
            address.repository, revision=address.revision, files_metadata=True, timeout=SECONDS
        )
        stated = {
            str(one.rfilename): Stated(one.size, one.lfs.sha256 if one.lfs else None, one.blob_id)
            for one in info.siblings or ()
        }
        commit = str(info.sha)
    asked = address.revision
    if not COMMIT.fullmatch(commit) or (COMMIT.fullmatch(asked) and commit != asked):
        raise PortError(None, f"the hub answers with another commit: {printable(commit, 60)}")
    return commit, stated


def _from_cache(address: Address) -> _Found:
    """Return the same without a network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

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
        check(path, name, kept_as(path))
    return _Found(snapshot.name, chosen.weights, paths)


if __name__ == "__main__":
    serve(Download, _run, framework="huggingface_hub", memory=2 << 30)
