"""Samples from attackers and bad disks: nothing runs, nothing hangs, nothing fills the memory."""

from __future__ import annotations

import io
import os
import pickle
import struct
import subprocess
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signbart_port.data import sample_pickles
from signbart_port.data.samples import read
from signbart_port.errors import PortError
from tests.support.datasets import a_clip, npy, npz, parameter_id

Refused = Callable[..., str]
GIB = 1 << 30
CLIP = a_clip(0)


class Call:
    """Pickles as a call, and perhaps a state."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.reduced


class Matrix(np.ndarray):
    pass


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("place", ["top", "keypoints", "class", "beside", "in a list", "as a key"])
def test_code_is_named_and_not_run(
    tmp_path: Path, refused: Refused, protocol: int, place: str
) -> None:
    evil = Call(os.system, f"touch {tmp_path}/canary")
    sample = {"keypoints": CLIP, "class": "G01"}
    content: Any = {
        "top": evil,
        "in a list": sample | {"more": [[evil]]},
        "as a key": {evil: 1} | sample,
    }.get(place, sample | {place: evil})
    pickled = pickle.dumps(content, protocol)
    refused(pickled, "its pickle asks for posix.system; nothing of it was run")


@pytest.mark.parametrize(
    "call",
    [
        Call(eval, "open('canary', 'w')"),
        Call(exec, "open('canary', 'w')"),
        Call(open, "canary", "w"),
        Call(subprocess.Popen, ["touch", "canary"]),
        Call(np.save, "canary", 1),
        Call(np.load, "canary"),
        Call(np.fromfile, "canary"),
        Call(np.memmap, "canary", "f4", "w+"),
        Call(np.frombuffer, b"1234"),
        Call(np.ones, 1 << 40),
        Call(bytearray(b"").__class__.fromhex, "00"),
        Matrix((1, 1, 2)),
        Path("/tmp"),
    ],
    ids=lambda call: getattr(getattr(call, "reduced", [type(call)])[0], "__name__", ""),
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_what_is_not_data_is_refused_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused, call: Any, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    refused(pickle.dumps({"keypoints": CLIP, "class": call}, protocol), "its pickle asks for ")


HEAD = b"\x80\x02"
DTYPE = b"cnumpy\ndtype\nX\x02\0\0\0f4K\x00K\x01\x87R"
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
NDARRAY = b"cnumpy\nndarray\n"
EMPTY = RECONSTRUCT + NDARRAY + b"K\x00\x85C\x01b\x87R"
SCALAR = b"cnumpy.core.multiarray\nscalar\n"
FROMBUFFER = b"cnumpy.core.numeric\n_frombuffer\n"


def of(array: bytes) -> bytes:
    """A sample whose keypoints these instructions make."""
    return HEAD + b"}X\x09\0\0\0keypoints" + array + b"s."


def state(shape: bytes, content: bytes, dtype: bytes = DTYPE) -> bytes:
    return EMPTY + b"(K\x01" + shape + dtype + b"\x89" + content + b"tb"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (of(EMPTY), "has keypoints of shape 0"),
        (of(NDARRAY), "has keypoints that are a global"),
        (of(NDARRAY + b"J\xff\xff\xff\x7f\x85R"), "an array that nobody filled"),
        (of(RECONSTRUCT), "keypoints that are a global"),
        (of(RECONSTRUCT + NDARRAY + b"\x85R"), "is damaged"),
        (of(RECONSTRUCT + b"cbuiltins\nset\nK\x00\x85C\x01b\x87R"), "made of a global"),
        (of(RECONSTRUCT + b"K\x01K\x00\x85C\x01b\x87R"), "made of an int"),
        (of(DTYPE), "has keypoints that are a dtype"),
        (of(DTYPE + b")R"), "it calls a dtype"),
        (of(SCALAR + b"cnumpy\ndtype\nX\x02\0\0\0O8\x85R}\x86R"), "a dict stands where a list"),
        (of(SCALAR + b"K\x01C\x01b\x86R"), "an int stands where a dtype should"),
        (of(SCALAR + DTYPE + b"}\x86R"), "an array whose content is a dict"),
        (of(state(b"K\x01K\x4bK\x02\x87", b"]", b"cnumpy\ndtype\nX\1\0\0\0O\x85R")), "objects"),
        (of(state(b"K\x01K\x4bK\x02\x87", b"C\x04abcd")), "1×75×2 float32 takes 600 bytes, it h"),
        (of(state(b"J\xff\xff\xff\x7fK\x4bK\x02\x87", b"C\x04abcd")), "holds 4. Download"),
        (of(state(b"J\xff\xff\xff\xffK\x4bK\x02\x87", b"C\x04abcd")), "unusable shape"),
        (of(state(b"(" + b"K\x00" * 99 + b"t", b"C\x00")), "unusable shape"),
        (of(state(b"X\x01\0\0\0a\x85", b"C\x00")), "unusable shape"),
        (of(state(b"N", b"C\x00")), "None stands where a tuple should"),
        (of(state(b"K\x01\x85", b"X\x02\0\0\0\xc4\x80")), "is damaged"),  # no Latin-1
        (of(EMPTY + b"K\x01b"), "an int stands where a tuple should"),
        (of(EMPTY + b"(K\x01tb"), "is damaged"),
        (of(DTYPE + b"(K\x03X\x01\0\0\0<K\x01NNtb"), "a structured type"),
        (of(DTYPE + b"(K\x03K\x01NNNtb"), "an int stands where a str should"),
        (of(b"cnumpy\ndtype\nK\x01\x85R"), "an int stands where a str should"),
        (of(FROMBUFFER + b"(C\x04abcd" + DTYPE + b"K\x01\x85X\x01\0\0\0Kcnumpy\nndarray\ntR"), "a"),
        (of(FROMBUFFER + b"(C\x04abcd" + DTYPE + b"K\x01\x85NK\x05\x85tR"), "is damaged"),
        (of(FROMBUFFER + b"(" + b"N" * 9 + b"tR"), "9 arguments in one call"),
        (of(b"c_codecs\nencode\nX\1\0\0\0aX\3\0\0\0hex\x86R"), "bytes in the encoding hex"),
        (of(b"c_codecs\nencode\nK\x01\x85R"), "an int stands where a str should"),
        (of(b"ccollections\nOrderedDict\n]\x85R"), "is damaged"),
        (of(b"K\x01Q"), "refers to something outside itself"),
        (of(b"cnumpy\nndarray\n)\x81"), "the instruction NEWOBJ, which pickle.dump never writes"),
        (of(b"(icbuiltins\neval\n"), "the instruction INST"),
        (of(b"\x82\x01"), "the instruction EXT1"),
        (b"\x80\x05\x97.", "the instruction NEXT_BUFFER"),
        (HEAD + b"}.}.", "has 2 bytes after the end of its pickle"),
        (HEAD + b"}", "is damaged"),
        (HEAD + b".", "is damaged"),
    ],
    ids=parameter_id,
)
def test_reaching_through_what_is_allowed(refused: Refused, content: bytes, says: str) -> None:
    refused(content, says)


@pytest.mark.parametrize("code", ["O8", "V4", "M8", "S4", "x4", "f", "f4,f4", "(3,)f4", "U999999"])
def test_types_that_keypoints_cannot_have(refused: Refused, code: str) -> None:
    text = b"X" + len(code).to_bytes(4, "little") + code.encode()
    dtype = b"cnumpy\ndtype\n" + text + b"\x85R"
    refused(of(state(b"K\x01\x85", b"C\x04abcd", dtype)))


DEPTH = 200_000


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"]" * DEPTH + b"a" * (DEPTH - 1) + b".", "nested deeper than frames"),
        (b")" + b"\x85" * DEPTH + b".", "nested deeper than frames"),
        (b"})" + b"\x85" * DEPTH + b"K\x01s.", "has no keypoints"),
        (b"(" * DEPTH + b".", "is damaged"),
        (b"]q\x00h\x00a.", "nested deeper than frames"),  # it holds itself
        (b"r\xff\xff\xff\xff.", "is damaged"),
        (b"}r\xff\xff\xff\xff.", "has no keypoints"),
        (b"}" * 2_100_000 + b".", "its pickle is too large"),
        (of(state(b")" + b"\x85" * DEPTH + b"q\x00", b"C\x00"))[2:], "is damaged"),
    ],
    ids=["lists", "tuples", "key", "marks", "cycle", "get", "put", "instructions", "shape"],
)
@pytest.mark.on_commit("marks", "cycle", "get", "put")
def test_depth_and_number_without_end(refused: Refused, content: bytes, says: str) -> None:
    refused(HEAD + content, says)


def test_every_truncation_is_refused(refused: Refused) -> None:
    clip = a_clip(0, frames=1)
    for whole in (
        *(pickle.dumps({"keypoints": clip, "class": "G01"}, p) for p in (2, 4, 5)),
        npz(keypoints=clip, **{"class": "G01"}),
        npz(compressed=True, keypoints=clip),
        npy(clip),
    ):
        for end in range(0, len(whole), 7):
            refused(whole[:end])


def test_bytes_after_the_array(refused: Refused) -> None:
    refused(
        npy(CLIP) + b"x", "is damaged: an array of 5×75×2 float32 takes 3,000 bytes, it holds 3,001"
    )


def header(shape: str, descr: str = "'<f4'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def zipped(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (header("(1000000000000, 75, 2)") + bytes(600), "takes 600,000,000,000,000 bytes, it hol"),
        (header("(-1, 75, 2)") + bytes(600), "unusable shape"),
        (header("(True, 75, 2)") + bytes(600), "unusable shape"),
        (header("(1, 75, 2)", "'|O'") + bytes(600), "is damaged"),
        (header("(1, 75, 2)", "'|O'") + HEAD + b"}.", "holds a dict where its array should be"),
        (header("(1, 75, 2)", "__import__('os').system('touch canary')"), "is damaged"),
        (header("(" + "(" * 5000), "is damaged"),
        (header("(1,)", "'" + "f" * 50_000 + "'"), "is damaged"),
        (b"\x93NUMPY\x09\x00" + bytes(99), "is damaged"),
    ],
    ids=["huge", "negative", "bool", "objects", "other objects", "code", "deep", "long", "version"],
)
def test_headers_that_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused, content: bytes, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    refused(content, says)
    refused(zipped(("keypoints.npy", content)), says)


def test_objects_in_numpy_s_files(tmp_path: Path, refused: Refused) -> None:
    evil = np.array([[[Call(os.system, f"touch {tmp_path}/canary")]]], object)
    for content in (
        npy(evil, allow_pickle=True),
        npz(keypoints=evil),
        npz(data=evil, more=CLIP[0]),
        npz(keypoints=CLIP, **{"class": evil}),
    ):
        refused(content, "its pickle asks for posix.system; nothing of it was run")


def test_archives_that_are_not_numpy_s(refused: Refused) -> None:
    clip = npy(CLIP)
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zipped(("keypoints.npy", clip), ("keypoints.npy", clip))
    refused(twice, 'two members named "keypoints"')
    refused(zipped(("keypoints.npy", clip), compression=zipfile.ZIP_LZMA), "NumPy never uses")
    many = [(f"{number}.npy", b"") for number in range(1500)]
    refused(zipped(*many), "too many members")
    flipped = bytearray(zipped(("keypoints.npy", clip)))
    flipped[1000] ^= 1
    refused(bytes(flipped), "Bad CRC-32")


def peak_of(action: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps({"keypoints": Call(bytearray, 4 * GIB)}),
        b"\x80\x05\x96" + (8 * GIB).to_bytes(8, "little") + b".",
        b"\x80\x04\x8e" + (8 * GIB).to_bytes(8, "little") + b".",
        HEAD + b"}r\xff\xff\xff\x7f.",
        header(f"({GIB}, 75, 2)"),
        of(state(b"J\xff\xff\xff\x7fK\x4bK\x02\x87", b"C\x04abcd")),
    ],
    ids=["bytearray", "bytearray8", "bytes8", "memo", "npy", "shape"],
)
def test_claims_cost_no_memory(refused: Refused, content: bytes) -> None:
    assert peak_of(lambda: refused(content)) < 10 << 20


def test_a_text_encoded_again_and_again_costs_no_memory() -> None:
    text = b"X\x00\x00\x10\x00" + bytes(1 << 20) + b"q\x00"
    encoded = b"c_codecs\nencode\nq\x01" + b"h\x01h\x00\x85R" * 10_000
    content = HEAD + b"](" + text + encoded + b"e."
    assert peak_of(lambda: sample_pickles.load(content)) < 30 << 20


def test_a_bomb_is_left_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    """Bounded by what was unpacked, not by what the directory says."""
    monkeypatch.setattr("signbart_port.data.samples.LARGEST", 1 << 20)
    bomb = zipped(("keypoints.npy", bytes(64 << 20)), compression=zipfile.ZIP_DEFLATED)
    refused(bomb, "unpacks to more than 1,048,576 bytes")
    lying = bomb.replace((64 << 20).to_bytes(4, "little"), (1 << 10).to_bytes(4, "little"))
    assert lying != bomb
    assert peak_of(lambda: refused(lying)) < 20 << 20
    beside = zipped(
        ("keypoints.npy", npy(CLIP)),
        ("more.npy", bytes(64 << 20)),
        compression=zipfile.ZIP_DEFLATED,
    )
    path = tmp_path / "beside.npz"
    path.write_bytes(beside)
    assert peak_of(lambda: read(path)) < 20 << 20


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "large.pkl"
    with path.open("wb") as file:
        file.write(HEAD)
        file.truncate(sample_pickles.LARGEST + 1)
    with pytest.raises(PortError, match="more than 67,108,864: not one clip"):
        read(path)


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "pipe.pkl"
    os.mkfifo(path)
    with pytest.raises(PortError, match="not a regular file"):
        read(path)


def test_random_damage_ends_in_an_error_or_an_array(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged"
    whole = [
        *(pickle.dumps({"keypoints": a_clip(0, 1), "class": "a"}, p) for p in (2, 4, 5)),
        npz(keypoints=a_clip(0, 1)),
        npy(a_clip(0, 1)),
    ]
    refusals = 0
    for _ in range(1500):
        content = bytearray(whole[rng.integers(len(whole))])
        for at in rng.integers(0, min(len(content), 300), 3):
            content[at] = rng.integers(256)
        path.write_bytes(content)
        try:
            assert read(path).keypoints.ndim == 3
        except PortError:
            refusals += 1
    assert refusals > 500
