"""Containers that are refused: other files, damaged ones, archives that torch did not write."""

from __future__ import annotations

import gzip
import os
import random
import signal
import socket
import tarfile
import warnings
import zipfile

import h5py
import numpy as np
import pytest
import torch

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
    "onnx": (ONNX, "ONNX"),
    "tflite": (TFLITE, "TFLite"),
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
    refused(path, "a NumPy archive")
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    refused(path, "a NumPy array")
    with h5py.File(path, "w") as file:
        file["a"] = np.ones(3)
    refused(path, "an HDF5 file")
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


@pytest.fixture
def archive(tmp_path, weights):
    path = tmp_path / "archive.pth"
    torch.save(weights, path)
    return path


@pytest.fixture
def legacy(tmp_path, weights):
    path = tmp_path / "legacy.pth"
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    return path


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9, 1.0])
def test_truncated(archive, legacy, refused, fraction):
    for path in (archive, legacy):
        content = path.read_bytes()
        path.write_bytes(content[: min(int(fraction * len(content)), len(content) - 1)])
        assert "truncated" in refused(path, "Download or copy it again")


def test_more_than_the_archive(archive, legacy, refused):
    content = archive.read_bytes()
    archive.write_bytes(content + b"junk")
    refused(archive, "4 bytes after the end of its zip archive")
    archive.write_bytes(b"junk" + content)
    refused(archive, "other bytes before its zip archive")
    archive.write_bytes(content[:64] + content)
    refused(archive, "before its zip archive")
    legacy.write_bytes(legacy.read_bytes() + b"junk")
    refused(legacy, "4 bytes after its last storage")


def _flip(path, at, bit=0):
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)


def test_one_flipped_bit_of_the_content(archive, refused):
    content = archive.read_bytes()
    first = np.float32(1 / 7).tobytes()
    for at in (content.index(first), content.index(b"fc.weight"), content.index(b"little")):
        _flip(archive, at)
        refused(archive, "wrong checksum")
        archive.write_bytes(content)


@pytest.mark.parametrize(
    ("field", "word"),
    [
        (16, "wrong checksum"),
        (20, "misplaces"),  # one of its two sizes
        (24, "misplaces"),
        (28, "damaged"),  # the length of its name
        (42, "damaged"),  # its offset
        (46, "outside the one folder"),
        (54, "no data.pkl"),
    ],
)
def test_one_flipped_bit_of_the_directory(archive, refused, field, word):
    _flip(archive, archive.read_bytes().index(b"PK\x01\x02") + field)
    refused(archive, word)


@pytest.mark.parametrize("gone", ["data.pkl", "version", "data/0"])
def test_missing_member(archive, refused, rewrite, gone):
    path = rewrite(archive, lambda ms: [m for m in ms if m[0] != f"archive/{gone}"])
    refused(path, "is missing" if gone == "data/0" else f"has no {gone}")


def test_storage_of_another_size(archive, refused, rewrite):
    path = rewrite(
        archive, lambda ms: [(n, c + bytes(4) if n == "archive/data/0" else c) for n, c in ms]
    )
    refused(path, 'its storage "0" has 52 bytes, should have 48 bytes')


@pytest.mark.parametrize("name", ["archive/data/0", "archive/DATA/0"])
def test_duplicate_member(archive, refused, rewrite, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of zipfile, which names the duplicate
        path = rewrite(archive, lambda ms: [*ms, (name, bytes(48))])
    refused(path, f'two members named "{name}"')


@pytest.mark.parametrize(
    "name", ["../evil", "archive/../../evil", "/etc/evil", "archive\\..\\evil", "other/evil"]
)
def test_member_outside_the_folder(archive, refused, rewrite, name):
    refused(rewrite(archive, lambda ms: [*ms, (name, b"x")]), "outside the one folder")


def test_compressed_bomb(tmp_path, refused, rewrite):
    torch.save({"a": torch.zeros(16 << 20)}, tmp_path / "zeros.pth")
    path = rewrite(tmp_path / "zeros.pth", lambda ms: ms, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    refused(path, "compressed member")


def test_encrypted_member(archive, refused):
    _flip(archive, archive.read_bytes().index(b"PK\x01\x02") + 8)
    refused(archive, "encrypted member")


def test_two_names_for_the_same_bytes(archive, refused):
    """The entry of data/1 is given the place of data/0."""
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        zero, one = (opened.getinfo(f"archive/data/{key}") for key in "01")
    entry = content.index(b"archive/data/1", content.index(b"PK\x01\x02")) - 46
    assert int.from_bytes(content[entry + 42 : entry + 46], "little") == one.header_offset
    content[entry + 42 : entry + 46] = zero.header_offset.to_bytes(4, "little")
    archive.write_bytes(content)
    refused(archive, "its directory misplaces the member")


def test_member_that_reaches_into_the_next(archive, refused):
    """The entry of version claims everything up to the directory's end, with a right checksum."""
    with zipfile.ZipFile(archive) as opened:
        info = opened.getinfo("archive/data.pkl")
    content = bytearray(archive.read_bytes())
    start = content.index(b"\x80\x02")
    size = info.file_size + 200
    entry = content.index(b"PK\x01\x02")
    content[entry + 16 : entry + 20] = zipfile.crc32(content[start : start + size]).to_bytes(
        4, "little"
    )
    content[entry + 20 : entry + 28] = size.to_bytes(4, "little") * 2
    archive.write_bytes(content)
    refused(archive, "its directory misplaces the member")


def test_too_many_members(archive, refused, rewrite):
    """Counted before zipfile makes an object of each."""
    refused(
        rewrite(archive, lambda ms: [*ms, ("archive/data/99", b"PK\x01\x02" * 100_001)]),
        "too many members",
    )


def test_big_endian(archive, legacy, refused, rewrite):
    path = rewrite(archive, lambda ms: [(n, b"big" if n.endswith("order") else c) for n, c in ms])
    refused(path, "big-endian")
    legacy.write_bytes(
        legacy.read_bytes().replace(b"little_endianq\x02\x88", b"little_endianq\x02\x89")
    )
    refused(legacy, "big-endian")


def test_torchscript(tmp_path, refused):
    path = tmp_path / "script.pth"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, and still met
        torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)).save(path)
    refused(path, "TorchScript")


def test_legacy_whose_parts_disagree(legacy, refused):
    content = legacy.read_bytes()
    count = content.rindex((12).to_bytes(8, "little") + bytes(4))
    legacy.write_bytes(content[:count] + (11).to_bytes(8, "little") + content[count + 8 :])
    refused(legacy, "has 11 elements, should have 12")
    keys = content.index(b".\x80\x02]") + 1
    legacy.write_bytes(content[:keys] + b"\x80\x02]." + content[content.index(b"e.", keys) + 2 :])
    refused(legacy, "list of storages")
    legacy.write_bytes(content.replace(b"M\xe9\x03.", b"M\xea\x03.", 1))
    refused(legacy, "begins almost like")


def test_a_file_too_large_is_refused_unread(tmp_path, refused, archive):
    with archive.open("r+b") as file:
        file.truncate(1 << 40)  # a hole: takes no room on the disk
    refused(archive, "1,099,511,627,776 bytes")
