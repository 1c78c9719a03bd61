"""One clip of a dataset, from whatever file holds it: a pickle, .npz, .npy or JSON.

Nothing in the file can run, and a size that it merely claims costs no memory.
"""

from __future__ import annotations

import codecs
import io
import json
import math
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.data import sample_pickles
from signbart_port.data.keypoint_arrays import describe_form, is_like_keypoints, to_array
from signbart_port.data.sample_pickles import LARGEST, SAVE_ARRAYS
from signbart_port.data.stored_array import Dtype, StoredArray
from signbart_port.errors import printable
from signbart_port.untrusted.file_kind import HEAD, Kind, kind_of, regular_file
from signbart_port.untrusted.folder import files_under
from signbart_port.untrusted.pickle_globals import Other
from signbart_port.untrusted.refusal import COPY_AGAIN, Refusal, naming

SUFFIXES = (".pkl", ".pickle", ".npz", ".npy")
JSON_SUFFIX = ".json"
_MOST_SAMPLES = 1_000_000  # in a folder
_MOST_MEMBERS = 1000  # of an .npz
_DIRECTORY_ENTRY = b"PK\x01\x02"
_LONGEST_LABEL = 200
_LARGEST_JSON = 16 << 20  # bytes: as Python's objects, its numbers take many times as much
_KEYPOINTS, _CLASS = "keypoints", "class"
_LABEL = "label"  # what others call the class: read where it is text, and there is no class
_LENGTHS = "lengths"  # the frames of several clips, whose keypoints stand one after the other
_COORDINATES = (2, 3, 4)  # of a point: x and y, z, visibility
_GIVE_ARRAY = "Give a .npy of frames × points × (x, y)"
_DETECT = f"MediaPipe or another detector finds the keypoints in it. {_GIVE_ARRAY}"


@dataclass(frozen=True)
class Sample:
    """A clip as it is stored."""

    path: Path
    keypoints: NDArray[np.floating[Any]]  # (T, K, 2 or more), T and K at least 1; read-only
    label: str | None  # None if the file has none
    notes: tuple[str, ...] = ()  # what was taken for what, for the user


def in_folder(folder: Path) -> list[Path]:
    """Return the samples in a folder and the folders in it, in the order of their paths: JSON files
    only where there are no others, as beside samples they hold labels.

    Raises PortError for a folder with none.
    """
    with naming(folder):
        files = sorted(files_under(folder, _MOST_SAMPLES))
        for suffixes in (SUFFIXES, (JSON_SUFFIX,)):
            if found := [path for path in files if path.suffix.lower() in suffixes]:
                return found
        raise Refusal(f"is a folder without a sample: no {', '.join((*SUFFIXES, JSON_SUFFIX))}")


def read(path: str | os.PathLike[str]) -> Sample:
    """Read the sample in the file at `path`, whose kind is told by content.

    A pickle, an .npz and a JSON file have `keypoints` and usually `class` (or `label`), or
    keypoints alone; an .npy has the keypoints. Raises PortError for everything else, and for
    keypoints that are not floating-point numbers (T, K, 2 or more) of at least one frame and one
    point.
    """
    with naming(path):
        sample, lengths = _read(path)
        if lengths:
            what = f"holds {len(lengths)} clips, one after the other by its {_LENGTHS}, not one"
            raise Refusal(what, "Write each to a file of its own; predict alone takes it as it is")
        return sample


def read_clips(path: str | os.PathLike[str]) -> tuple[Sample, ...]:
    """Read the clip in a file, or several, one after the other, of which it has the `lengths`.

    Raises PortError as `read` does.
    """
    with naming(path):
        sample, lengths = _read(path)
        if not lengths:
            return (sample,)
        clips = np.split(sample.keypoints, np.cumsum(lengths)[:-1])
        return tuple(
            replace(sample, path=Path(f"{sample.path}, clip {number}"), keypoints=clip)
            for number, clip in enumerate(clips, 1)
        )


def _read(path: str | os.PathLike[str]) -> tuple[Sample, list[int]]:
    """Return all keypoints of a file as one sample, and the frames of each clip where there are
    several."""
    kind, data = _bytes_of(path)
    root = _READERS[kind](data)
    if type(root) is StoredArray and root.holds_objects and not root.shape:
        (root,) = root.objects()  # np.save of a dict
    if type(root) is not dict:
        if not is_like_keypoints(root):
            raise Refusal(f"holds {describe_form(root)}, not keypoints", SAVE_ARRAYS)
        root = {_KEYPOINTS: root}
    array, notes = (
        to_array(root[_KEYPOINTS]) if _KEYPOINTS in root else _only_one_like_keypoints(root)
    )
    label = _label(root.get(_CLASS)) or _text(root.get(_LABEL))
    keypoints = _keypoints(array)
    return Sample(Path(path), keypoints, label, notes), _lengths(root, len(keypoints))


def _lengths(root: dict[Any, Any], frames: int) -> list[int]:
    """Return the frames of each clip, if a file holds several; else nothing."""
    stored = root.get(_LENGTHS)
    if type(stored) is not StoredArray or stored.holds_objects:
        return []
    lengths = stored.values()
    if lengths.dtype.kind not in "iu" or lengths.ndim != 1 or len(lengths) < 2:
        return []
    return lengths.tolist() if lengths.min() > 0 and lengths.sum() == frames else []


def of_array(keypoints: NDArray[np.floating[Any]], name: str) -> Sample:
    """Return a clip in memory as a sample of this name. Raises PortError as `read` does."""
    with naming(name):
        return Sample(Path(name), _keypoints(np.asarray(keypoints)), None)


def _only_one_like_keypoints(root: dict[Any, Any]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return the one value that has the form of keypoints, as `to_array` does."""
    found = [(key, *form) for key, value in root.items() if (form := _in_their_shape(value))]
    if len(found) == 1:
        ((key, array, notes),) = found
        return array, (f'keypoints taken from "{printable(key, 40)}", alone of their shape', *notes)
    held = ", ".join(printable(key, 40) for key in list(root)[:6]) or "nothing"
    raise Refusal(f"has no keypoints: it holds {held}", SAVE_ARRAYS)


def _in_their_shape(value: Any) -> tuple[NDArray[Any], tuple[str, ...]] | None:
    if not is_like_keypoints(value):
        return None
    try:
        array, notes = to_array(value)
    except Refusal:
        return None
    is_floating = array.dtype.kind == "f" and array.ndim == 3
    is_theirs = is_floating and array.size > 0 and array.shape[2] in _COORDINATES
    return (array, notes) if is_theirs else None


def _bytes_of(path: str | os.PathLike[str]) -> tuple[Kind, bytes]:
    """Return the file's kind and all its bytes; refuse it by its head alone if it is no sample."""
    with regular_file(path) as file:
        kind = kind_of(head := file.read(HEAD))
        if kind is None or kind not in _READERS or (kind is Kind.TEXT and not _may_be_json(head)):
            what = kind.noun if kind else "of no known kind"
            hint = _DETECT if kind in (Kind.PICTURE, Kind.VIDEO) else kind and kind.remedy
            raise Refusal(f"is {what}, not a clip of keypoints", hint or _GIVE_ARRAY)
        if (size := file.seek(0, os.SEEK_END)) > LARGEST:
            raise Refusal(f"has {size:,} bytes, more than {LARGEST:,}: not one clip")
        file.seek(0)
        return kind, file.read()


def _may_be_json(head: bytes) -> bool:
    return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith((b"{", b"["))


def _json(data: bytes) -> Any:
    if len(data) > _LARGEST_JSON:
        raise Refusal(f"has {len(data):,} bytes, more than {_LARGEST_JSON:,}", SAVE_ARRAYS)
    try:
        return json.loads(data, object_pairs_hook=_without_repeated_keys)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Refusal(f"is not JSON: {printable(error)}", SAVE_ARRAYS) from None


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise Refusal("has a key twice in an object")
    return content


def _npz(data: bytes) -> dict[Any, Any]:
    if data.count(_DIRECTORY_ENTRY) > _MOST_MEMBERS:
        raise Refusal("is a zip archive with too many members for one clip")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members: dict[str, zipfile.ZipInfo] = {}
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if name in members:
                raise Refusal(f'has two members named "{printable(name, 40)}"', COPY_AGAIN)
            members[name] = entry
        if len(members) == 1 and _CLASS not in members:
            members = {_KEYPOINTS: next(iter(members.values()))}
        wanted = {_KEYPOINTS, _CLASS, _LABEL, _LENGTHS}
        if _KEYPOINTS not in members:  # read only what may be: there may be many, and large ones
            wanted |= {name for name in members if _may_be_keypoints(archive, members[name])}
        return {
            name: _npy(_content(archive, entry)) if name in wanted else Other("an array")
            for name, entry in members.items()
        }


def _may_be_keypoints(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    """Return whether a member's header describes three axes, the last of them coordinates, or
    Python objects."""
    if not entry.filename.endswith(".npy"):
        return False
    with archive.open(entry) as member:
        shape, _, dtype = _header(io.BytesIO(member.read(HEAD)))
    return dtype.hasobject or (len(shape) == 3 and shape[2] in _COORDINATES)


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return the bytes of a member, at most as many as a clip takes, whatever size the directory
    claims."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Refusal("is compressed in a way that NumPy never uses")
    with archive.open(entry) as member:
        content = member.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise Refusal(f"unpacks to more than {LARGEST:,} bytes: not one clip")
    return content


def _npy(data: bytes) -> StoredArray:
    """Return the array of an .npy file.

    np.load would allocate as many elements as the header claims.
    """
    stream = io.BytesIO(data)
    shape, fortran, dtype = _header(stream)
    described, order = Dtype(dtype.str[1:], dtype.str[0]), "F" if fortran else "C"
    content = data[stream.tell() :]
    if not dtype.hasobject:
        return StoredArray(described, shape, order, content)
    # NumPy pickles the array whole, and this is the array that it pickled.
    array = sample_pickles.load(content)
    if type(array) is not StoredArray:
        raise Refusal(f"holds {describe_form(array)} where its array should be", COPY_AGAIN)
    return array


def _header(stream: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    if np.lib.format.read_magic(stream) == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    return np.lib.format.read_array_header_2_0(stream)


def _keypoints(keypoints: NDArray[Any]) -> NDArray[np.floating[Any]]:
    shape = "×".join(map(str, keypoints.shape)) or "a single value"
    if keypoints.dtype.kind in "iu":  # pixels, if they are anything
        keypoints = keypoints.astype(np.float64)
        keypoints.flags.writeable = False
    if keypoints.dtype.kind != "f":
        raise Refusal(
            f"has keypoints of type {keypoints.dtype.name}, not numbers",
            "They are x and y in parts of the frame's width and height",
        )
    if keypoints.ndim != 3 or keypoints.shape[2] < 2:
        raise Refusal(
            f"has keypoints of shape {shape}",
            "They are frames × points × coordinates, x and y first",
        )
    if not math.prod(keypoints.shape):
        raise Refusal(f"has no {'points' if len(keypoints) else 'frames'}: its shape is {shape}")
    return keypoints


def _label(value: Any) -> str | None:
    if type(value) is StoredArray and value.shape == ():
        value = value.objects()[0] if value.holds_objects else value.values().item()
    if value is None or (isinstance(value, str) and 0 < len(value) <= _LONGEST_LABEL):
        return value
    if type(value) is int and len(number := str(value)) <= _LONGEST_LABEL:
        return number
    shown = f'the string "{printable(value)}"' if isinstance(value, str) else describe_form(value)
    raise Refusal(f"has a class that is {shown}, not a label")


def _text(value: Any) -> str | None:
    try:
        label = _label(value)
    except Refusal:
        return None
    return None if label is None or label.isdigit() else label


_READERS: dict[Kind, Callable[[bytes], Any]] = {
    Kind.PICKLE: sample_pickles.load,
    Kind.NPZ: _npz,
    Kind.NPY: _npy,
    Kind.TEXT: _json,
}
