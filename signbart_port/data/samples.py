"""One clip of a dataset, from whatever file holds it: a pickled dict, .npz or .npy.

Nothing in the file can run, and a size that it merely claims costs no memory.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.data import sample_pickles
from signbart_port.data.sample_pickles import LARGEST, SAVE_ARRAYS
from signbart_port.data.stored_array import Dtype, Stored
from signbart_port.errors import printable
from signbart_port.untrusted.file_kind import HEAD, Kind, kind_of, regular_file
from signbart_port.untrusted.pickle_globals import describe
from signbart_port.untrusted.refusal import COPY_AGAIN, Refusal, naming

SUFFIXES = (".pkl", ".pickle", ".npz", ".npy")
_MOST_MEMBERS = 1000  # of an .npz
_DIRECTORY_ENTRY = b"PK\x01\x02"
_LONGEST_LABEL = 200


@dataclass(frozen=True)
class Sample:
    """A clip as it is stored."""

    path: Path
    keypoints: NDArray[np.floating[Any]]  # (T, K, 2 or more), T and K at least 1; read-only
    label: str | None  # None if the file has none


def read(path: str | os.PathLike[str]) -> Sample:
    """Read the sample in the file at `path`, whose kind is told by content.

    A pickled dict has `keypoints` and usually `class`, an .npz the same two or a single array, an
    .npy the keypoints. Raises PortError for everything else, and for keypoints that are not a
    floating-point array (T, K, 2 or more) of at least one frame and one point.
    """
    with naming(path):
        kind, data = _bytes_of(path)
        members = _READERS[kind](data)
        if "keypoints" not in members:
            held = ", ".join(printable(key, 40) for key in list(members)[:6]) or "nothing"
            raise Refusal(f"has no keypoints: it holds {held}", SAVE_ARRAYS)
        return Sample(Path(path), _keypoints(members["keypoints"]), _label(members.get("class")))


def _bytes_of(path: str | os.PathLike[str]) -> tuple[Kind, bytes]:
    """Return the file's kind and all its bytes; refuse it by its head alone if it is no sample."""
    with regular_file(path) as file:
        kind = kind_of(file.read(HEAD))
        if kind is None or kind not in _READERS:
            what = kind.noun if kind else "of no known kind"
            raise Refusal(f"is {what}, not a sample", (kind and kind.remedy) or SAVE_ARRAYS)
        if (size := file.seek(0, os.SEEK_END)) > LARGEST:
            raise Refusal(f"has {size:,} bytes, more than {LARGEST:,}: not one clip")
        file.seek(0)
        return kind, file.read()


def _pickle(data: bytes) -> dict[Any, Any]:
    root = sample_pickles.load(data)
    if type(root) is not dict:
        raise Refusal(f"holds {_describe(root)}, not a dict with keypoints", SAVE_ARRAYS)
    return root


def _npy(data: bytes) -> dict[Any, Any]:
    return {"keypoints": _stored(data)}


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
        if len(members) == 1 and "class" not in members:
            members = {"keypoints": next(iter(members.values()))}
        wanted = members.keys() & {"keypoints", "class"} if "keypoints" in members else ()
        return members | {name: _stored(_content(archive, members[name])) for name in wanted}


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


_READERS: dict[Kind, Callable[[bytes], dict[Any, Any]]] = {
    Kind.PICKLE: _pickle,
    Kind.NPZ: _npz,
    Kind.NPY: _npy,
}


def _stored(data: bytes) -> Stored:
    """Return the array of an .npy file.

    np.load would allocate as many elements as the header claims.
    """
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    described = Dtype(dtype.str[1:], dtype.str[0])
    return Stored(described, shape, "F" if fortran else "C", data[stream.tell() :])


def _keypoints(stored: Any) -> NDArray[np.floating[Any]]:
    if type(stored) is not Stored:
        raise Refusal(f"has keypoints that are {_describe(stored)}, not an array", SAVE_ARRAYS)
    keypoints = stored.values()
    shape = "×".join(map(str, keypoints.shape)) or "a single value"
    if keypoints.dtype.kind != "f":
        raise Refusal(
            f"has keypoints of type {keypoints.dtype.name}, not floating-point",
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
    if type(value) is Stored and value.shape == ():
        value = value.values().item()
    if type(value) is int:  # the folder of class 1 has the name "1"
        value = printable(value, _LONGEST_LABEL)
    if value is None or (isinstance(value, str) and 0 < len(value) <= _LONGEST_LABEL):
        return value
    shown = f'the string "{printable(value)}"' if isinstance(value, str) else _describe(value)
    raise Refusal(f"has a class that is {shown}, not a label")


def _describe(value: object) -> str:
    return "an array" if type(value) is Stored else describe(value)
