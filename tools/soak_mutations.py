"""Changes of bytes, text, pickles, archives and headers, that keep what a parser checks first."""

from __future__ import annotations

import io
import json
import pickletools
import re
import struct
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random

Mutation = Callable[[bytes, Random], bytes]

_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40)
_TOKENS = (
    *("0", "-1", "1e999", "NaN", "-0.0", "0x" + "f" * 40, "9" * 30, "null", "true", "NO", "~"),
    *(
        '"',
        "'",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "-",
        "#",
        "&a",
        "*a",
        "<<",
        "!!python/object:os",
        "|",
    ),
    *("\n", "\t", "\0", "\x1b[2J", "‮", "\ud7ff", "é", "é", "{a}", "{layer}", "..", "?"),
    *("[" * 300, '{"a":' * 100, "a" * 5000, "- " * 200, "0-99999999", "pose_hands"),
)
_KEYS = ("shape", "data_offsets", "dtype")
_SPLIT = re.compile(r"(\s+|[\[\]{}:,\"'#&*|>-])")


def of_bytes(data: bytes, draw: Random) -> bytes:
    """Change some bytes: flip, set, insert, remove, repeat, cut off."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        size = len(changed)
        if not size:
            break
        at, length = draw.randrange(size), draw.choice((1, 1, 2, 4, 8, 64))
        match draw.randrange(7):
            case 0:
                changed[at] ^= 1 << draw.randrange(8)
            case 1:
                changed[at] = draw.choice(_NUMBERS[:6])
            case 2:
                del changed[at : at + length]
            case 3:
                changed[at:at] = changed[at : at + length]
            case 4:
                changed[at:at] = draw.randbytes(length)
            case 5:
                form = draw.choice(("<H", "<I", "<Q", ">I"))
                width = struct.calcsize(form)
                number = draw.choice(_NUMBERS) & (256**width - 1)
                changed[at : at + width] = struct.pack(form, number)
            case 6:
                del changed[at:]
    return bytes(changed)


def of_text(data: bytes, draw: Random) -> bytes:
    """Change some tokens or lines of a text."""
    parts = _SPLIT.split(data.decode("utf-8", "surrogateescape"))
    for _ in range(draw.choice((1, 1, 2, 3))):
        at = draw.randrange(len(parts))
        match draw.randrange(5):
            case 0:
                parts[at] = draw.choice(_TOKENS)
            case 1:
                parts.insert(at, draw.choice(_TOKENS))
            case 2:
                parts[at] = ""
            case 3:
                parts[at:at] = parts[at : at + draw.choice((2, 5, 20))]
            case 4:
                other = draw.randrange(len(parts))
                parts[at], parts[other] = parts[other], parts[at]
    return "".join(parts).encode("utf-8", "surrogatepass")


def of_pickle(data: bytes, draw: Random) -> bytes:
    """Drop, repeat, exchange or change opcodes of a pickle."""
    try:
        starts = [at for _, _, at in pickletools.genops(data) if at is not None]
    except Exception:  # it has been changed before
        return of_bytes(data, draw)
    ends = [*starts[1:], len(data)]
    codes = [data[start:end] for start, end in zip(starts, ends, strict=True)]
    for _ in range(draw.choice((1, 1, 2, 4))):
        at = draw.randrange(len(codes))
        match draw.randrange(5):
            case 0:
                codes[at] = b""
            case 1:
                codes.insert(at, draw.choice(codes))
            case 2:
                codes[at] = codes[at][:1] + of_bytes(codes[at][1:], draw)
            case 3:
                other = draw.randrange(len(codes))
                codes[at], codes[other] = codes[other], codes[at]
            case 4:
                codes.insert(at, bytes([draw.randrange(256)]))
    return b"".join(codes)


def of_members(of_name: Callable[[str], Mutation]) -> Mutation:
    """Return a change of the members of a zip archive, which is written anew, with right CRCs."""

    def change(data: bytes, draw: Random) -> bytes:
        if draw.random() < 0.2:
            return of_bytes(data, draw)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info, archive.read(info)) for info in archive.infolist()]
        at, made = draw.randrange(len(members)), io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            for number, (info, content) in enumerate(members):
                if number == at:
                    match draw.randrange(6):
                        case 0:
                            continue
                        case 1:
                            info.filename = draw.choice(("../x", "/x", "x" * 300, "a\0b", ".data"))
                        case _:
                            content = of_name(info.filename)(content, draw)
                with suppress(ValueError, struct.error):
                    archive.writestr(info, content)
        return made.getvalue()

    return change


def of_safetensors(data: bytes, draw: Random) -> bytes:
    """Change the header of a .safetensors and state its new length, or the bytes."""
    if draw.random() < 0.2:
        return of_bytes(data, draw)
    (length,) = struct.unpack("<Q", data[:8])
    header = data[8 : 8 + length]
    if draw.random() < 0.5:
        header = of_text(header, draw)
    else:
        described = json.loads(header)
        name = draw.choice(list(described))
        value: object = draw.choice(
            ([0, 1 << 62], [4, 0], [-1, 3], [1 << 40] * 3, [1] * 70, "F32", "Q8", None, {}, 1e300)
        )
        described[name] = {
            **described[name],
            draw.choice(("shape", "data_offsets", "dtype")): value,
        }
        header = json.dumps(described).encode()
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


def of_flatbuffer(data: bytes, draw: Random) -> bytes:
    """Change aligned words of a FlatBuffer: offsets, lengths, and what they lead to."""
    if draw.random() < 0.2:
        return of_bytes(data, draw)
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4, 8))):
        at = 4 * draw.randrange(len(changed) // 4)
        near = draw.choice((0, 4, 8, 12, 16, -4, -8, 2, 1, 0x10000, len(changed)))
        (old,) = struct.unpack_from("<I", changed, at)
        number = draw.choice((near, old + near, draw.choice(_NUMBERS))) & 0xFFFFFFFF
        struct.pack_into("<I", changed, at, number)
    return bytes(changed)


def one_of(*mutations: Mutation) -> Mutation:
    """Return a change that is one of these."""
    return lambda data, draw: draw.choice(mutations)(data, draw)


def repeated(mutation: Mutation, times: Sequence[int] = (1, 1, 1, 2, 3)) -> Mutation:
    """Return a change that is made once or several times."""

    def change(data: bytes, draw: Random) -> bytes:
        for _ in range(draw.choice(times)):
            with suppress(Exception):  # what has been changed may be beyond this change
                data = mutation(data, draw)
        return data

    return change
