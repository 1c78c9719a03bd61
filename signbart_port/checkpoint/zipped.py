"""The zip archive that torch.save writes (since PyTorch 1.6), its members checked before use.

torch.load checks no CRC. Here every member must be stored uncompressed, lie where the directory
says, overlap no other and have the CRC that the directory states. Format: PKWARE APPNOTE 6.3 as
written by caffe2/serialize/inline_container.cc.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from signbart_port.checkpoint.loaded import Loaded
from signbart_port.errors import printable
from signbart_port.untrusted import pickle_machine
from signbart_port.untrusted.refusal import COPY_AGAIN, SAVE_STATE_DICT, Refusal
from signbart_port.untrusted.weights_file import INDEX, SUFFIXES

END = b"PK\x05\x06"
END_SIZE = 22
_DIRECTORY_ENTRY = b"PK\x01\x02"
_MOST_MEMBERS = 100_000  # a checkpoint of 96 tensors with its optimizer has 390
_LOCAL = struct.Struct("<4s5H3I2H")  # signature, ..., length of name, length of extra field
_ENCRYPTED = 1


def load(data: bytes) -> Loaded:
    """Return the content of the archive `data`; raises Refusal unless torch.save wrote it so."""
    _check_end(data)
    entries = _entries(data)
    if "constants.pkl" in entries or any(name.startswith("code/") for name in entries):
        raise Refusal("is a TorchScript archive, which holds code", SAVE_STATE_DICT)
    for needed in ("data.pkl", "version"):
        if needed not in entries:
            raise Refusal(
                f"is a zip archive, but not one of torch.save: it has no {needed}", SAVE_STATE_DICT
            )
    members = {name: _content(data, entry, end) for name, (entry, end) in entries.items()}
    order = bytes(members.get("byteorder", b"little"))
    if order != b"little":
        raise Refusal(
            f"was written on a {printable(order.decode(errors='replace'))}-endian machine",
            "Load and save it again on a little-endian one",
        )
    pickled = pickle_machine.load(io.BytesIO(members["data.pkl"]))
    buffers = {}
    for key, storage in pickled.storages.items():
        buffer = members.get(f"data/{key}")
        if buffer is None or len(buffer) != storage.nbytes:
            held = "is missing" if buffer is None else f"has {len(buffer):,} bytes"
            raise Refusal(
                f'is damaged: its storage "{printable(key)}" {held}, should have '
                f"{storage.nbytes:,} bytes",
                COPY_AGAIN,
            )
        buffers[key] = buffer
    return Loaded(
        pickled.root,
        buffers,
        pickled.protocol,
        foreign=pickled.foreign,
        pickle=members["data.pkl"],
    )


def _check_end(data: bytes) -> None:
    at = data.rfind(END)
    if at < 0 or at + END_SIZE > len(data):
        raise Refusal("is truncated: its zip archive has no end", COPY_AGAIN)
    if after := len(data) - at - END_SIZE:
        raise Refusal(f"has {after:,} bytes after the end of its zip archive", COPY_AGAIN)


def _entries(data: bytes) -> dict[str, tuple[zipfile.ZipInfo, int]]:
    """Return {name inside the archive's one folder: (its entry, where its bytes must end)}, in
    order."""
    if data.count(_DIRECTORY_ENTRY) > _MOST_MEMBERS:
        raise Refusal("is a zip archive with too many members for a SignBART", SAVE_STATE_DICT)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos, directory = archive.infolist(), archive.start_dir
    if not infos:
        raise Refusal("is an empty zip archive", COPY_AGAIN)
    _check_not_around([info.orig_filename for info in infos])
    starts = sorted(info.header_offset for info in infos)
    if starts[0] != 0:
        raise Refusal("is damaged, or has other bytes before its zip archive", COPY_AGAIN)
    following = dict(zip(starts, [*starts[1:], directory], strict=True))
    folder = infos[0].orig_filename.split("/")[0] + "/"
    entries: dict[str, tuple[zipfile.ZipInfo, int]] = {}
    seen: set[str] = set()
    for info in infos:
        name = info.orig_filename
        if name.lower() in seen:  # torch's reader does not tell capitals apart
            raise Refusal(f'has two members named "{printable(name)}"', COPY_AGAIN)
        seen.add(name.lower())
        if not name.startswith(folder) or ".." in name.split("/") or "\\" in name or "\0" in name:
            raise Refusal(
                f'is a zip archive with a member "{printable(name)}" outside the one folder that '
                "torch.save writes",
                SAVE_STATE_DICT,
            )
        entries[name.removeprefix(folder)] = info, following[info.header_offset]
    return entries


def _check_not_around(names: list[str]) -> None:
    """Raise Refusal for an archive that somebody has made around a checkpoint."""
    if any(name.endswith("/data.pkl") for name in names):
        return
    inside = [
        name
        for name in names
        if name.endswith((*SUFFIXES, INDEX)) and not name.startswith("__MACOSX/")
    ]
    if inside:
        more = f" and {len(inside) - 1} more" if len(inside) > 1 else ""
        raise Refusal(
            f"is a zip archive around {printable(inside[0])}{more}",
            "Unpack it first (unzip), and give the checkpoint inside",
        )


def _content(data: bytes, entry: zipfile.ZipInfo, end: int) -> memoryview:
    """Return the bytes of one member, which must end before `end`, as a view."""
    shown = printable(entry.orig_filename)
    if entry.flag_bits & _ENCRYPTED:
        raise Refusal(f'has an encrypted member, "{shown}"', SAVE_STATE_DICT)
    if entry.compress_type != zipfile.ZIP_STORED:
        raise Refusal(
            f'has a compressed member, "{shown}", which torch.save never writes',
            "Load and save it again, or unzip it and zip it without compression (zip -0 -r)",
        )
    signature, *_, name_length, extra_length = _LOCAL.unpack_from(data, entry.header_offset)
    name_at = entry.header_offset + _LOCAL.size
    name = data[name_at : name_at + name_length]
    start = name_at + name_length + extra_length
    if (
        signature != b"PK\x03\x04"
        or name != entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437")
        or entry.compress_size != entry.file_size
        or start + entry.file_size > end
    ):
        raise Refusal(f'is damaged: its directory misplaces the member "{shown}"', COPY_AGAIN)
    content = memoryview(data)[start : start + entry.file_size]
    if zlib.crc32(content) != entry.CRC:
        raise Refusal(f'is damaged: the member "{shown}" has a wrong checksum', COPY_AGAIN)
    return content
