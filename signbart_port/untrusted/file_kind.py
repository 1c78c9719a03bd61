"""The kind of a file, by its first bytes and never by its name."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from signbart_port.untrusted.absent import absent
from signbart_port.untrusted.refusal import COPY_AGAIN, Refusal, naming

HEAD = 4096
# A pickled integer that torch writes first if it writes no zip archive (torch/serialization.py).
_LEGACY_MAGIC = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_KERAS_MEMBERS = (b"metadata.json", b"config.json", b"model.weights.h5")
# After its ir_version, a ModelProto continues with one of these fields (onnx.proto).
_ONNX_SECOND_FIELDS = b"\x12\x1a\x22\x28\x32\x3a\x42"


class Kind(StrEnum):
    """A kind of file: its short name, a noun for messages, and a remedy if it is no checkpoint."""

    noun: str
    remedy: str

    def __new__(cls, value: str, noun: str, remedy: str = "") -> Kind:
        kind = str.__new__(cls, value)
        kind._value_, kind.noun, kind.remedy = value, noun, remedy
        return kind

    ZIP = "zip", "a zip archive, such as torch.save writes"
    LEGACY = "legacy", "a PyTorch checkpoint from before 1.6"
    SAFETENSORS = "safetensors", "a safetensors file"
    HDF5 = "hdf5", "an HDF5 file (.h5)"
    TFLITE = "tflite", "a TFLite model"
    KERAS = "keras", "a Keras archive (.keras)"
    ONNX = "onnx", "an ONNX model"
    NPZ = "npz", "a NumPy archive (.npz)"
    NPY = "npy", "a NumPy array (.npy)"
    GZIP = "gzip", "gzip-compressed", "Unpack it first (gunzip)"
    TAR = (
        "tar",
        "a tar archive",
        "Unpack it first; if PyTorch 0.1 wrote it, load and save it again with a current torch",
    )
    PICKLE = (
        "pickle",
        "a raw pickle that torch.save did not write",
        "It was not opened; write the weights with torch.save(model.state_dict(), path)",
    )
    PICTURE = "picture", "a picture"
    VIDEO = "video", "a video"
    LFS = "lfs", "a Git LFS pointer", "Fetch the file that it stands for (git lfs pull)"
    INDEX = "index", "an index of shards"
    HTML = "html", "a web page (HTML)", "Download the file itself, not the page that shows it"
    TEXT = "text", "a text file"
    ZEROS = "zeros", "a run of zero bytes", COPY_AGAIN
    EMPTY = "empty", "an empty file", COPY_AGAIN


CHECKPOINTS = (Kind.ZIP, Kind.LEGACY, Kind.SAFETENSORS, Kind.INDEX)
"""What `checkpoint.files` opens."""


def sniff(path: str | os.PathLike[str]) -> Kind | None:
    """Return the kind of the file at `path`, or None if nothing known begins like it.

    Only the head is read. Raises PortError if there is no regular, readable file.
    """
    with naming(path), regular_file(path) as file:
        return kind_of(file.read(HEAD))


@contextmanager
def regular_file(path: str | os.PathLike[str]) -> Iterator[io.BufferedReader]:
    """Open `path` for reading; raises Refusal at once for anything but a regular file."""
    with _open(path) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Refusal("is a pipe, a socket or a device, not a regular file")
        yield file


def _open(path: str | os.PathLike[str]) -> io.BufferedReader:
    try:
        return open(path, "rb", opener=_open_at_once)
    except FileNotFoundError:
        raise absent(path) from None
    except IsADirectoryError:
        if os.path.exists(os.path.join(path, "saved_model.pb")):
            what = "is a SavedModel of TensorFlow, which does not keep a model's layers"
            raise Refusal(what, "Save the Keras model: model.save('model.keras')") from None
        raise Refusal("is a directory, not a file", "Give the file itself") from None
    except OSError as error:
        raise Refusal(f"cannot be opened: {error.strerror}") from None
    except ValueError as error:
        raise Refusal(f"is not a path: {error}") from None


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # else a FIFO waits for its writer


def kind_of(head: bytes) -> Kind | None:
    """Return the kind of a file that begins with `head`: all its bytes, or the first `HEAD`."""
    if not head:
        return Kind.EMPTY
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_zip(head)
    if head.startswith(b"\x80") and _LEGACY_MAGIC in head[:32]:
        return Kind.LEGACY
    for start, kind in (
        (b"\x89HDF\r\n\x1a\n", Kind.HDF5),
        (b"\x93NUMPY", Kind.NPY),
        (b"\x1f\x8b", Kind.GZIP),
        (b"version https://git-lfs", Kind.LFS),
        (b"\x89PNG\r\n\x1a\n", Kind.PICTURE),
        (b"\xff\xd8\xff", Kind.PICTURE),  # JPEG
        (b"GIF8", Kind.PICTURE),
        (b"\x1aE\xdf\xa3", Kind.VIDEO),  # Matroska, WebM
    ):
        if head.startswith(start):
            return kind
    if head[4:8] == b"TFL3":
        return Kind.TFLITE
    if head[4:8] == b"ftyp":  # MP4, QuickTime
        return Kind.VIDEO
    if head.startswith(b"RIFF") and head[8:12] in (b"WEBP", b"AVI "):
        return Kind.PICTURE if head[8:12] == b"WEBP" else Kind.VIDEO
    if head[8:9] == b"{" and head[9:10] in (b'"', b"}", b" "):
        return Kind.SAFETENSORS
    if head[257:262] == b"ustar":
        return Kind.TAR
    if head.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return Kind.PICKLE
    if head[:1] == b"\x08" and len(head) > 2 and head[2] in _ONNX_SECOND_FIELDS:
        return Kind.ONNX
    if not head.strip(b"\0"):
        return Kind.ZEROS
    return _kind_of_text(head)


def _kind_of_zip(head: bytes) -> Kind:
    length = int.from_bytes(head[26:28], "little")
    first_member = head[30 : 30 + length]
    if first_member.endswith(b".npy"):
        return Kind.NPZ
    return Kind.KERAS if first_member in _KERAS_MEMBERS else Kind.ZIP


def _kind_of_text(head: bytes) -> Kind | None:
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.end < len(head) or len(head) < HEAD:
            return None
        text = head[: error.start].decode("utf-8-sig")  # the head's end cut a character
    if not all(c.isprintable() or c.isspace() for c in text):
        return None
    if text.lstrip().startswith("{") and '"weight_map"' in text:
        return Kind.INDEX
    opening = text.lstrip()[:15].lower()
    return Kind.HTML if opening.startswith(("<!doctype html", "<html")) else Kind.TEXT
