"""The files of a repository that are read: its weights, and the config beside them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from signbart_port.errors import PortError, first_of, printable
from signbart_port.hub.address import Address, is_safe
from signbart_port.untrusted.weights_file import INDEX, SHARD, SUFFIXES

_CONFIG = "config.json"
_UNNAMED = (".safetensors", f".safetensors{INDEX}")
"""What is taken without being named: containers that hold no code."""
_NAMED = tuple(dict.fromkeys((*_UNNAMED, *SUFFIXES, ".h5", ".keras", ".tflite")))
_MOST_NAMED = 6


@dataclass(frozen=True)
class Selection:
    """The files that are fetched, by their paths in the repository."""

    weights: str
    files: tuple[str, ...]
    """The weights first; then their shards, and the config beside them."""


def select(address: Address, names: Collection[str]) -> Selection:
    """Choose the files of a model among the names in its repository.

    Raises PortError, which leaves it to the caller to name the address, for a repository without
    weights, with several and none named, and for names that no file here may have.
    """
    weights = _named(address, names) if address.file else _only(address, names)
    folder = PurePosixPath(weights).parent
    config = str(folder / _CONFIG)
    files = (weights, *_shards(weights, names), *([config] if config in names else []))
    if wrong := [name for name in files if not is_safe(name)]:
        raise PortError(None, f"has a file of an unusable name: {printable(wrong[0], 80)}")
    return Selection(weights, files)


def check_sizes(sizes: Mapping[str, int | None], most: int) -> None:
    """Raise PortError for files that are larger than `most` bytes together, or whose size is not
    told."""
    total = 0
    for name, size in sizes.items():
        if size is None or size < 0:
            raise PortError(None, f"the hub does not tell the size of {printable(name)}")
        total += size
    if total > most:
        what = f"has {total:,} bytes to download, and {most:,} are allowed"
        raise PortError(None, what, "--max-download 2GB, for one, allows more")


def _named(address: Address, names: Collection[str]) -> str:
    file = address.file or ""
    if not file.endswith(_NAMED):
        what = f"is no model file by its name: {', '.join(_NAMED)} are"
        raise PortError(None, what, _choices(address, names))
    if file not in names:
        raise PortError(None, "is not in the repository", _choices(address, names))
    return file


def _only(address: Address, names: Collection[str]) -> str:
    """Return the only weights at the top of a repository that hold no code."""
    top = sorted(name for name in names if "/" not in name and name.endswith(_UNNAMED))
    shards = {shard for name in top for shard in _shards(name, names)}
    found = [name for name in top if name not in shards]
    if len(found) == 1:
        return found[0]
    what = (
        f"has {len(found)} files of weights: {first_of(found, _MOST_NAMED)}"
        if found
        else "has no .safetensors at its top"
    )
    raise PortError(None, what, _choices(address, names))


def _shards(weights: str, names: Collection[str]) -> list[str]:
    """Return the shards of an index of shards, by their names; none of any other file."""
    if not weights.endswith(INDEX):
        return []
    whole = weights.removesuffix(INDEX)
    found = ((name, SHARD.fullmatch(name)) for name in names)
    return sorted(name for name, shard in found if shard and shard[1] + shard[4] == whole)


def _choices(address: Address, names: Collection[str]) -> str:
    """Return what to do: name one of the model files that are there."""
    there = sorted(
        name
        for name in names
        if name.endswith(_NAMED) and is_safe(name) and not SHARD.fullmatch(name)
    )
    if not there:
        return "Give a repository with a model's weights"
    others = f"; it has {first_of(there, _MOST_NAMED)}" if len(there) > 1 else ""
    return f"Name a file: {address.with_file(there[0])}{others}"
