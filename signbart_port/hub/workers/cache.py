"""The files of a model in the cache: checked by their hashes, and found again."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from signbart_port.errors import PortError, printable
from signbart_port.system import digest

COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Stated:
    """What the hub states of a file, or the cache by the name that it keeps it under."""

    size: int | None = None
    sha256: str | None = None
    git: str | None = None
    """The hash that git has for it."""


def check(path: Path, name: str, stated: Stated) -> None:
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


def kept_as(path: Path) -> Stated:
    """Return what the cache states of a file: it keeps its bytes under their hash."""
    name = path.readlink().name if path.is_symlink() else ""
    return Stated(
        sha256=name if _SHA256.fullmatch(name) else None,
        git=name if COMMIT.fullmatch(name) else None,
    )


def _git_hash(path: Path) -> str:
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def keep_reference(path: Path, name: str, revision: str, commit: str) -> None:
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


def alone(repository: str, commit: str, weights: str, paths: Mapping[str, Path]) -> Path:
    """Return the weights in a folder of their own, with links to the chosen files and no other: a
    snapshot in the cache may hold more, which another program has fetched."""
    from huggingface_hub import cached_assets_path

    try:
        folder = cached_assets_path("signbart-port", repository, commit) / weights
        folder.mkdir(parents=True, exist_ok=True)
        links = {Path(name).name: path.resolve() for name, path in paths.items()}
        for name, path in links.items():
            temp = folder / f".{secrets.token_hex(4)}"
            temp.symlink_to(path)
            temp.replace(folder / name)
        for other in folder.glob("[!.]*"):  # of a fetch that chose more
            if other.name not in links:
                other.unlink()
    except OSError as error:
        what = f"the cache cannot be written: {error.strerror}"
        raise PortError(None, what, "Set HF_ASSETS_CACHE to another folder") from None
    return folder / Path(weights).name
