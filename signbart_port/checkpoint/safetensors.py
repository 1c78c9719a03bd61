"""The safetensors file: the length of a JSON header, the header, the bytes of the tensors.

Format: https://github.com/huggingface/safetensors#format. It is read here and not by its library,
which has no bfloat16 without a framework; strictly, because the offsets are a stranger's.
"""

from __future__ import annotations

import json
import math
from typing import Any

from signbart_port.checkpoint.loaded import Loaded
from signbart_port.errors import printable
from signbart_port.untrusted.pickle_globals import only
from signbart_port.untrusted.refusal import COPY_AGAIN, Refusal
from signbart_port.untrusted.tensors import ITEMSIZES, MOST_AXES, Storage, Tensor, contiguous

_LENGTH_SIZE = 8
_LONGEST_HEADER = 4 << 20  # a header of 96 tensors takes 11 KB
_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
}


def load(data: bytes) -> Loaded:
    """Return the content of the file `data`; raises Refusal unless its tensors fill it exactly."""
    length = int.from_bytes(data[:_LENGTH_SIZE], "little")
    start = _LENGTH_SIZE + length
    if length > _LONGEST_HEADER or start > len(data):
        raise Refusal(
            f"is truncated or damaged: it states a header of {length:,} bytes, and has "
            f"{len(data) - _LENGTH_SIZE:,} bytes in all after that number",
            COPY_AGAIN,
        )
    try:
        header = json.loads(data[_LENGTH_SIZE:start], object_pairs_hook=without_duplicates)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Refusal(f"is damaged: its header is not JSON ({error})", COPY_AGAIN) from None
    metadata = header.pop("__metadata__", {})
    tensors: dict[str, Tensor] = {}
    buffers: dict[str, memoryview] = {}
    ranges: list[tuple[int, int, str]] = []
    body = memoryview(data)[start:]
    for name, entry in header.items():
        begin, end = (only(int, offset) for offset in entry["data_offsets"])
        tensors[name] = _described(name, entry, end - begin)
        buffers[name] = body[begin:end]
        ranges.append((begin, end, name))
    _check_filled(sorted(ranges), len(body))
    return Loaded(tensors, buffers, beside=_plain(metadata))


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of a JSON object; raises Refusal if one comes twice."""
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise Refusal(f'has the name "{printable(name)}" twice in its header')
        members[name] = value
    return members


def _described(name: str, entry: dict[str, Any], nbytes: int) -> Tensor:
    shown = printable(name)
    dtype = _DTYPES.get(entry["dtype"])
    if dtype is None:
        raise Refusal(f'gives the tensor "{shown}" the unknown dtype {printable(entry["dtype"])}')
    size = tuple(entry["shape"])
    if len(size) > MOST_AXES:
        raise Refusal(f'gives the tensor "{shown}" {len(size):,} axes', COPY_AGAIN)
    if any(type(n) is not int or n < 0 for n in size):
        raise Refusal(f'gives the tensor "{shown}" an unreadable shape')
    numel = math.prod(size)
    if numel * ITEMSIZES[dtype] != nbytes:
        raise Refusal(
            f'gives the tensor "{shown}" {nbytes:,} bytes; its shape {list(size)} of {dtype} takes '
            f"{numel * ITEMSIZES[dtype]:,}",
            COPY_AGAIN,
        )
    return Tensor(Storage(dtype, name, numel), dtype, 0, size, contiguous(size))


def _check_filled(ranges: list[tuple[int, int, str]], size: int) -> None:
    """Refuse a file unless every byte belongs to exactly one tensor."""
    at = 0
    for begin, end, name in ranges:
        if begin != at:
            kind = "overlaps another" if begin < at else "follows a hole"
            raise Refusal(f'is damaged: its tensor "{printable(name)}" {kind}', COPY_AGAIN)
        at = end
    if at != size:
        kind = "is truncated" if at > size else "has bytes that no tensor owns"
        raise Refusal(f"{kind}: its tensors end at {at:,}, its data at {size:,}", COPY_AGAIN)


def _plain(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata, whose values are text: in JSON, as a rule, or anybody's words."""
    plain = {}
    for key, text in metadata.items():
        try:
            plain[key] = json.loads(text, object_pairs_hook=without_duplicates)
        except Refusal:
            raise
        except (TypeError, ValueError, RecursionError):
            plain[key] = text
    return plain
