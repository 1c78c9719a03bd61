"""Checkpoints that are damaged or doctored, and archives that torch.save did not write."""

from __future__ import annotations

import warnings
import zipfile

import numpy as np
import pytest
import torch


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
        refused(path, "truncated", "Download or copy it again")


def test_legacy_truncated_in_a_storage(legacy, refused):
    legacy.write_bytes(legacy.read_bytes()[:-1])
    refused(legacy, "is truncated in its storage")


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
    "name",
    ["../evil", "archive/../../evil", "/etc/evil", "archive/..\\..\\evil", "other/evil", "archive"],
)
def test_member_outside_the_folder(archive, refused, rewrite, name):
    refused(rewrite(archive, lambda ms: [*ms, (name, b"x")]), "outside the one folder")


def test_member_name_with_a_nul(archive, refused, rewrite):
    """zipfile would end the name there, and so would torch."""
    path = rewrite(archive, lambda ms: [*ms, ("archive/data/0_more", b"x")])
    path.write_bytes(path.read_bytes().replace(b"data/0_more", b"data/0\0more"))
    refused(path, "outside the one folder")


def test_no_member_where_the_directory_says(archive, refused):
    content = archive.read_bytes()
    _flip(archive, content.index(b"PK\x03\x04", 4))
    refused(archive, "misplaces the member")


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
