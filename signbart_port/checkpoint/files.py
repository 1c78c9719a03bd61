"""The bytes of a checkpoint: of one file, or of the shards that an index names."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signbart_port.checkpoint import legacy, safetensors, zipped
from signbart_port.checkpoint.loaded import Loaded
from signbart_port.errors import printable
from signbart_port.untrusted.file_kind import HEAD, Kind, kind_of, regular_file, sniff
from signbart_port.untrusted.model_kind import ModelKind, remedy
from signbart_port.untrusted.refusal import COPY_AGAIN, SAVE_STATE_DICT, Refusal, naming
from signbart_port.untrusted.tensors import Tensor
from signbart_port.untrusted.weights_file import INDEX, SHARD

_LOADERS = {
    Kind.ZIP: zipped.load,
    Kind.LEGACY: legacy.load,
    Kind.SAFETENSORS: safetensors.load,
}
_LARGEST_FILE = 4 << 30  # bytes: the largest published model, with optimizer state, takes 0.05 GB
_LARGEST_INDEX = 4 << 20
_MOST_SHARDS = 100


@dataclass(frozen=True)
class Opened:
    """The content of a checkpoint's file, or of all shards together."""

    loaded: Loaded
    files: tuple[Path, ...]
    container: str
    sha256: str
    """Of the file; of an index, of its bytes and then those of the shards, sorted by name."""
    size: int
    notes: tuple[str, ...] = ()


def open_file(path: Path) -> Opened:
    """Read a checkpoint, or all shards of an index; raises Refusal for any other file."""
    if sniff(path) is Kind.INDEX:
        return _open_shards(path)
    kind, data = _bytes_of(path)
    loaded = _LOADERS[kind](data)
    return Opened(loaded, (path,), kind.value, hashlib.sha256(data).hexdigest(), len(data))


def check_whole(path: Path) -> None:
    """Raise Refusal for a file that by its name is one shard of several."""
    if (named := SHARD.fullmatch(path.name)) is None or int(named[3]) < 2:
        return
    index = path.with_name(f"{named[1]}{named[4]}{INDEX}")
    here = "" if index.is_file() else ", which is not beside it"
    raise Refusal(
        f"is shard {int(named[2])} of {int(named[3])}",
        f"Give the index of all shards: {index.name}{here}",
    )


def _bytes_of(path: Path) -> tuple[Kind, bytes]:
    """Return the file's kind and all its bytes; refuse it by its head alone if it is no
    checkpoint."""
    with regular_file(path) as file:
        kind = kind_of(file.read(HEAD))
        size = file.seek(0, os.SEEK_END)
        if kind is None:
            file.seek(max(0, size - zipped.END_SIZE))
            if file.read().startswith(zipped.END):
                raise Refusal("has other bytes before its zip archive", COPY_AGAIN)
            raise Refusal(
                "is not a PyTorch checkpoint: no known kind of file begins like it", COPY_AGAIN
            )
        if kind not in _LOADERS:
            raise Refusal(
                f"is {kind.noun}, not a PyTorch checkpoint", remedy(kind, ModelKind.CHECKPOINT)
            )
        if size > _LARGEST_FILE:
            raise Refusal(f"has {size:,} bytes, more than any SignBART", SAVE_STATE_DICT)
        file.seek(0)
        return kind, file.read()


def _open_shards(path: Path) -> Opened:
    """Read the files that an index of Hugging Face names, each tensor from the file it names."""
    data, places = _places(path)
    shards = sorted(set(places.values()))
    root: dict[str, Tensor] = {}
    buffers: dict[str, memoryview] = {}
    kinds, foreign = set[Kind](), dict[str, None]()
    size, digest = 0, hashlib.sha256(data)
    for shard in shards:
        part = path.with_name(shard)
        with naming(part):
            if not part.exists():
                raise Refusal("does not exist", f"Get all shards that {path.name} names")
            kind, content = _bytes_of(part)
            if (size := size + len(content)) > _LARGEST_FILE:
                raise Refusal("makes the shards larger than any SignBART", SAVE_STATE_DICT)
            loaded = _LOADERS[kind](content)
            own = {name for name, place in places.items() if place == shard}
            root |= _part(loaded.root, own, shard)
            _check_same_names(loaded.root, own, path)
        digest.update(content)
        kinds.add(kind)
        buffers |= {f"{shard}/{key}": buffer for key, buffer in loaded.buffers.items()}
        foreign |= dict.fromkeys(loaded.foreign)
    if len(kinds) > 1:
        raise Refusal("names shards of different kinds")
    ordered = {name: root[name] for name in places}
    return Opened(
        Loaded(ordered, buffers, foreign=tuple(foreign)),
        tuple(path.with_name(shard) for shard in shards),
        kinds.pop().value,
        digest.hexdigest(),
        size,
        (f"{len(shards)} shards read together: {', '.join(map(printable, shards[:6]))}",),
    )


def _places(path: Path) -> tuple[bytes, dict[str, str]]:
    """Return the bytes of an index, and the file of each tensor by its name."""
    with regular_file(path) as file:
        data = file.read(_LARGEST_INDEX + 1)
    if len(data) > _LARGEST_INDEX:
        raise Refusal(f"has more than {_LARGEST_INDEX:,} bytes: not an index of shards")
    try:
        index = json.loads(data, object_pairs_hook=safetensors.without_duplicates)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Refusal(f"is not JSON ({printable(error)})", COPY_AGAIN) from None
    places = index.get("weight_map") if type(index) is dict else None
    if type(places) is not dict or not places:
        raise Refusal("is not an index of shards: it has no weight_map")
    for name, place in places.items():
        if type(place) is not str or Path(place).name != place or place in (".", ".."):
            shown = printable(place, 80)
            raise Refusal(
                f'places "{printable(name, 80)}" in "{shown}", which is no file beside it'
            )
    if len(set(places.values())) > _MOST_SHARDS:
        raise Refusal(f"names more than {_MOST_SHARDS} shards")
    return data, places


def _part(root: Any, own: set[str], shard: str) -> dict[str, Tensor]:
    """Return the tensors that the index takes from one shard, their storages named for it."""
    held = root if type(root) is dict else {}
    if missing := sorted(own - held.keys()):
        raise Refusal(f'lacks "{printable(missing[0], 80)}", which the index places in it')
    part: dict[str, Tensor] = {}
    for name in own:
        view = held[name]
        if not isinstance(view, Tensor):
            raise Refusal(f'holds "{printable(name, 80)}", which is no dense tensor')
        storage = view.storage._replace(key=f"{shard}/{view.storage.key}")
        part[name] = view._replace(storage=storage)
    return part


def _check_same_names(root: dict[str, Any], own: set[str], path: Path) -> None:
    if more := [name for name in root if name not in own]:
        raise Refusal(f'holds "{printable(more[0], 80)}", which {path.name} does not place in it')
