"""Files that are no checkpoint at all, told by content and refused at once."""

from __future__ import annotations

import gzip
import os
import random
import signal
import socket
import tarfile
import zipfile

import h5py
import numpy as np
import pytest

from signbart_port.checkpoint import read
from signbart_port.errors import PortError

TFLITE = b"\x1c\0\0\0TFL3" + bytes(64)

ONNX = b"\x08\x08\x12\x07pytorch\x1a\x05" + bytes(64)

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9019961\n"

OTHER_FILES = {
    "empty": (b"", "empty", "Download or copy it again"),
    "one_byte": (b"\x80", "no known kind of file"),
    "one_letter": (b"x", "a text file"),
    "text": ("d_model: 128\n# größe\n".encode(), "a text file"),
    "long_text_cut_in_a_character": ("é".encode() * 5000, "a text file"),
    "long_text_odd": (b"a" + "é".encode() * 5000, "a text file"),
    "html": (b"\n<!DOCTYPE html><html><body>Sign in", "a web page"),
    "html_bare": (b"\xef\xbb\xbf<html lang='en'>", "a web page"),
    "lfs": (LFS, "Git LFS pointer", "git lfs pull"),
    "zeros": (bytes(4096), "zero bytes"),
    "random": (random.Random(379).randbytes(5000), "no known kind of file"),
    "gzip": (gzip.compress(b"weights"), "gzip", "gunzip"),
    "onnx": (ONNX, "ONNX", "torch.save(model.state_dict(), path)"),
    "tflite": (TFLITE, "TFLite", "Give the .pth that it was made of"),
    "pickle": (b"\x80\x04}.", "a raw pickle", "torch.save"),
    "empty_zip": (b"PK\x05\x06" + bytes(18), "empty zip archive"),
    "truncated_zip": (b"PK\x03\x04" + bytes(100), "truncated", "Download or copy it again"),
}


@pytest.mark.parametrize(
    ("content", "words"), [(c, w) for c, *w in OTHER_FILES.values()], ids=OTHER_FILES
)
def test_other_files(tmp_path, refused, content, words):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    refused(path, *words)


def test_files_of_other_libraries(tmp_path, refused):
    path = tmp_path / "model.pth"
    with path.open("wb") as file:
        np.savez(file, a=np.ones(3))
    refused(path, "a NumPy archive", "torch.save(model.state_dict(), path)")
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    refused(path, "a NumPy array")
    with h5py.File(path, "w") as file:
        file["a"] = np.ones(3)
    refused(path, "an HDF5 file", "signbart-port export makes a .pth of it")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", "")
    refused(path, "a Keras archive")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<a/>")
    refused(path, "not one of torch.save", "data.pkl")
    (tmp_path / "storages").write_bytes(b"x")
    with tarfile.open(path, "w") as archive:
        archive.add(tmp_path / "storages", "storages")
    refused(path, "a tar archive", "PyTorch 0.1")


@pytest.fixture
def soon():
    """Fail instead of hanging."""

    def too_late(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(10)
    yield
    signal.alarm(0)


def test_what_is_no_regular_file(tmp_path, refused, soon, monkeypatch):
    refused(tmp_path / "missing.pth", "does not exist")
    refused(tmp_path, "is a directory")
    (tmp_path / "saved_model.pb").touch()
    refused(tmp_path, "is a SavedModel of TensorFlow", "model.save('model.keras')")
    (tmp_path / "saved_model.pb").unlink()
    os.mkfifo(tmp_path / "fifo.pth")
    refused(tmp_path / "fifo.pth", "not a regular file")
    (tmp_path / "loop.pth").symlink_to(tmp_path / "loop.pth")
    refused(tmp_path / "loop.pth", "cannot be opened")
    monkeypatch.chdir(tmp_path)  # the whole path may be too long for a socket
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.pth")
        refused(tmp_path / "s.pth", "cannot be opened")
    with pytest.raises(PortError, match="not a regular file"):
        read("/dev/zero", None)
    with pytest.raises(PortError, match="is not a path"):
        read("a\0b", None)


def test_unreadable_file(tmp_path, refused):
    path = tmp_path / "model.pth"
    path.write_bytes(b"secret")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("permissions do not bind this user")
    refused(path, "cannot be opened")


def test_a_file_too_large_is_refused_unread(tmp_path, refused):
    path = tmp_path / "large.pth"
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(1 << 40)  # a hole: takes no room on the disk
    refused(path, "1,099,511,627,776 bytes")
