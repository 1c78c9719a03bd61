"""The text of a stranger's file of settings: small, regular, UTF-8."""

from __future__ import annotations

import re
from pathlib import Path

from signbart_port.errors import PortError
from signbart_port.untrusted.file_kind import regular_file
from signbart_port.untrusted.refusal import naming

_LARGEST = 1 << 20
_NOT_TEXT = (  # the files that stand next to a file of settings on the command line
    (re.compile(rb"PK\x03\x04|\x80[\x02-\x05]"), "a PyTorch checkpoint"),
    (re.compile(rb"\x89HDF\r\n\x1a\n"), "an HDF5 file"),
    (re.compile(rb"\x93NUMPY"), "a NumPy array (.npy)"),
    (re.compile(rb".{4}(TFL3|\0{4}\{)", re.DOTALL), "a TFLite or safetensors file"),
)


def read_text(path: Path, kind: str = "YAML", largest: int = _LARGEST) -> str:
    """Return the text of the file `path`, which should be of the `kind`.

    Raises PortError for a file that is not regular, not readable UTF-8, or larger than `largest`
    bytes (1 MiB).
    """
    with naming(path), regular_file(path) as file:
        data = file.read(largest + 1)
    return decoded(path, data, kind, largest)


def decoded(path: Path, data: bytes, kind: str, largest: int = _LARGEST) -> str:
    """Return the text in `data`, the content of `path`; raises PortError as `read_text` does."""
    for start, found in _NOT_TEXT:
        if start.match(data):
            raise PortError(path, f"is {found}, not a {kind} file: are the two swapped?")
    if len(data) > largest:
        raise PortError(path, f"holds more than {largest:,} bytes", "Is it the right file?")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PortError(path, f"line {line}: is not UTF-8 text", "Save it as UTF-8") from None
