"""The file that torch.save wrote before PyTorch 1.6: pickles, then the storages' bytes.

Format: magic number, version and system facts, each a pickle; the object's pickle; the pickled list
of storage keys; then for each key the number of elements (int64) and the elements. No checksum.
Source: torch/serialization.py, _legacy_save and _legacy_load.
"""

from __future__ import annotations

import io
import struct

from signbart_port.checkpoint.loaded import Loaded
from signbart_port.errors import printable
from signbart_port.untrusted import pickle_machine
from signbart_port.untrusted.refusal import COPY_AGAIN, Refusal

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_COUNT = struct.Struct("<q")


def load(data: bytes) -> Loaded:
    """Return the content of the file `data`; raises Refusal if it is incomplete or contradicts
    itself."""
    stream = io.BytesIO(data)
    magic, version, system = (pickle_machine.load(stream).root for _ in range(3))
    if magic != _MAGIC or version != _VERSION or type(system) is not dict:
        raise Refusal(
            "is damaged: it begins almost like a checkpoint from before PyTorch 1.6", COPY_AGAIN
        )
    if system.get("little_endian") is not True:
        raise Refusal(
            "was written on a big-endian machine", "Load and save it again on a little-endian one"
        )
    begin = stream.tell()
    pickled = pickle_machine.load(stream)
    content = memoryview(data)[begin : stream.tell()]
    keys = pickle_machine.load(stream).root
    if type(keys) is not list or sorted(map(str, keys)) != sorted(pickled.storages):
        raise Refusal("is damaged: its list of storages is not that of its tensors", COPY_AGAIN)
    buffers, at = {}, stream.tell()
    for key in keys:
        storage = pickled.storages[key]
        start, at = at + _COUNT.size, at + _COUNT.size + storage.nbytes
        if at > len(data):
            raise Refusal(f'is truncated in its storage "{printable(key)}"', COPY_AGAIN)
        (numel,) = _COUNT.unpack_from(data, start - _COUNT.size)
        if numel != storage.numel:
            raise Refusal(
                f'is damaged: its storage "{printable(key)}" has {numel:,} elements, should have '
                f"{storage.numel:,}",
                COPY_AGAIN,
            )
        buffers[key] = memoryview(data)[start:at]
    if at != len(data):
        raise Refusal(f"has {len(data) - at:,} bytes after its last storage", COPY_AGAIN)
    return Loaded(pickled.root, buffers, pickled.protocol, foreign=pickled.foreign, pickle=content)
