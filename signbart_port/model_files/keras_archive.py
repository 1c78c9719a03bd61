"""A `.keras` archive: the config in its JSON as data, the weights in its HDF5 file. No Keras.

Its config may name any class, and Keras' loader would import it: here only the values of a
SignBART's config are read. Format: a zip with `metadata.json`, `config.json`, `model.weights.h5`.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from signbart_port.config import SignBartConfig
from signbart_port.errors import PortError, printable
from signbart_port.model_files import hdf5, keras_config, keras_weights
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.model_files.hdf5 import RESAVE
from signbart_port.untrusted import strict_json
from signbart_port.untrusted.file_kind import regular_file
from signbart_port.untrusted.refusal import COPY_AGAIN, Refusal, naming

_CONFIG, WEIGHTS = "config.json", "model.weights.h5"
"""The members of an archive."""
_DIRECTORY_ENTRY = b"PK\x01\x02"
_MOST_MEMBERS = 1000  # Keras writes three, and assets
_LARGEST_CONFIG = 1 << 20
_MOST_EXPANSION = 100  # Keras stores its members; somebody may have zipped them again
_ENCRYPTED = 1


def read(path: Path) -> KerasModel:
    """Read a SignBART from a `.keras` archive.

    Raises PortError for anything else: another model, an archive that Keras does not write, damaged
    or unusual weights.
    """
    with naming(path), regular_file(path) as file:
        if (size := file.seek(0, io.SEEK_END)) > hdf5.LARGEST_FILE:
            raise Refusal(f"has {size:,} bytes, more than any SignBART")
        file.seek(0)
        data = file.read()
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = _members(archive, data)
            stated = _content(archive, members[_CONFIG], _LARGEST_CONFIG)
            config = _config(path, stated)
            content = _content(archive, members[WEIGHTS], hdf5.LARGEST_FILE)
    with hdf5.opened(path, content) as weights_file:
        weights = keras_weights.read(path, weights_file, len(content))
    return KerasModel(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        config=config,
        tensors=weights.tensors,
        provenance=None,
        file_notes=weights.notes,
    )


def member(path: Path, name: str, most: int) -> bytes | None:
    """Return a member of at most so many bytes; None where the archive has no such one. Raises
    PortError for an archive that Keras does not write."""
    with naming(path), regular_file(path) as file:
        data = file.read()
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entry = _members(archive, data).get(name)
            return None if entry is None else _content(archive, entry, most)


def _members(archive: zipfile.ZipFile, data: bytes) -> Mapping[str, zipfile.ZipInfo]:
    """Return the members by name. Raises Refusal for names that no archive of Keras has."""
    if data.count(_DIRECTORY_ENTRY) > _MOST_MEMBERS:
        raise Refusal("is a zip archive with too many members for a Keras model", RESAVE)
    members: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.orig_filename
        if name.lower() in {known.lower() for known in members}:
            raise Refusal(f'has two members named "{printable(name)}"', COPY_AGAIN)
        if name.startswith("/") or {"..", ""} & set(name.rstrip("/").split("/")) or _odd(name):
            raise Refusal(f'has a member "{printable(name)}", whose path leads out of it', RESAVE)
        members[name] = entry
    for needed in (_CONFIG, WEIGHTS):
        if needed not in members:
            raise Refusal(f"is a Keras archive without {needed}", RESAVE)
    return members


def _odd(name: str) -> bool:
    return any(character in name for character in "\\:\0")


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    """Return the bytes of a member, whose checksum is compared."""
    shown = printable(entry.orig_filename)
    if entry.flag_bits & _ENCRYPTED:
        raise Refusal(f'has an encrypted member, "{shown}"', RESAVE)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Refusal(f'has a member "{shown}", compressed in an unusual way', RESAVE)
    most = min(most, _MOST_EXPANSION * entry.compress_size)
    with archive.open(entry) as member:
        content = member.read(min(most, entry.file_size) + 1)
    if len(content) > most or len(content) != entry.file_size:
        raise Refusal(f'has a member "{shown}" that unpacks to more than it may hold', RESAVE)
    return content


def _config(path: Path, content: bytes) -> SignBartConfig:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise PortError(path, f"its {_CONFIG} is not UTF-8 text", RESAVE) from None
    try:
        stated = strict_json.load(path, text)
    except PortError as error:
        raise PortError(path, f"its {_CONFIG}: {error.what}", RESAVE) from None
    return keras_config.parse(stated, path)
