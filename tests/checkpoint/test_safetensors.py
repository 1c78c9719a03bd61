"""Safetensors files, the bad ones made by hand."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from signbart_port.checkpoint import read

ONE = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


@pytest.fixture
def forge(tmp_path):
    def write(header, body=bytes(8), length=None):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        path = tmp_path / "model.safetensors"
        length = len(text) if length is None else length
        path.write_bytes(length.to_bytes(8, "little") + text + body)
        return path

    return write


def entry(begin, end, dtype="F32", shape=None):
    return {"dtype": dtype, "shape": shape or [(end - begin) // 4], "data_offsets": [begin, end]}


def test_written_by_the_library(tmp_path, rules):
    path = tmp_path / "model.safetensors"
    state = {
        "w": torch.arange(6.0).reshape(2, 3),
        "b": torch.ones(3).bfloat16(),
        "e": torch.ones(0, 2),
    }
    save_file(state, path)
    found = read(path, rules)
    wanted = load_file(path)
    assert set(found.tensors) == set(wanted)
    for name, tensor in wanted.items():
        assert found.tensors[name].tobytes() == tensor.float().numpy().tobytes()
        assert found.tensors[name].shape == tensor.shape


def test_the_forge_makes_good_files(forge, rules):
    assert read(forge(ONE), rules).tensors["a"].tolist() == [0, 0]
    assert read(forge(json.dumps(ONE).encode() + b"   "), rules).tensors["a"].shape == (2,)


def test_order_is_that_of_the_header(forge, rules):
    assert list(read(forge({"b": entry(4, 8), "a": entry(0, 4)}), rules).tensors) == ["b", "a"]


HEADERS = {
    "overlap": ({"a": entry(0, 8), "b": entry(4, 8)}, "overlaps another"),
    "same_bytes": ({"a": entry(0, 8), "b": entry(0, 8)}, "overlaps another"),
    "hole": ({"a": entry(4, 8)}, "follows a hole"),
    "end_hole": ({"a": entry(0, 4)}, "bytes that no tensor owns"),
    "short_data": ({"a": entry(0, 12)}, "is truncated"),
    "wrong_size": ({"a": entry(0, 8, shape=[3])}, '"a" 8 bytes', "takes 12"),
    "wrong_dtype": ({"a": entry(0, 8, "F64", [2])}, '"a" 8 bytes', "takes 16"),
    "huge_shape": ({"a": entry(0, 8, shape=[1 << 62, 1 << 62])}, '"a" 8 bytes'),
    "unknown_dtype": ({"a": entry(0, 8, "F31")}, "unknown dtype F31"),
    "f8": ({"a": entry(0, 8, "F8_E4M3", [8])}, '"a"', "float8_e4m3fn"),
    "c64": ({"a": entry(0, 8, "C64", [1])}, '"a"', "complex64"),
    "negative_shape": ({"a": entry(0, 8, shape=[-2])}, "unreadable shape"),
    "negative_product": ({"a": entry(0, 8, shape=[-2, -1])}, "unreadable shape"),
    "float_shape": ({"a": entry(0, 8, shape=[2.0])}, "unreadable shape"),
    "bool_shape": ({"a": entry(0, 4, shape=[True])}, "unreadable shape"),
    "reversed": ({"a": entry(8, 0, shape=[2])}, '"a" -8 bytes'),
    "negative_offset": ({"a": entry(-8, 0, shape=[2])}, "overlaps another"),
    "bool_offset": ({"a": {**entry(0, 8), "data_offsets": [False, 8]}}, "a bool stands where"),
    "float_offset": ({"a": {**entry(0, 8), "data_offsets": [0, 8.0]}}, "a float stands where"),
    "three_offsets": ({"a": {**entry(0, 8), "data_offsets": [0, 4, 8]}}, "damaged"),
    "no_dtype": ({"a": {"shape": [2], "data_offsets": [0, 8]}}, "damaged"),
    "list_dtype": ({"a": {**entry(0, 8), "dtype": ["F32"]}}, "damaged"),
    "no_entry": ({"a": 3}, "damaged"),
    "many_axes": ({"a": entry(0, 8, shape=[1] * 64 + [2])}, "65 axes"),
    "axes_that_take_minutes": ({"a": entry(0, 0, shape=[0] + [1 << 40] * 20_000)}, "20,001 axes"),
    "list_metadata": ({"__metadata__": [1], **ONE}, "damaged"),
    "empty": ({}, "bytes that no tensor owns"),
    "escape": ({"a\x1b[31m": entry(0, 8)}, "unusable name"),
    "not_json": (b'{"a": nope}', "not JSON"),
    "not_utf8": (b'{"\xff": 1}', "not JSON"),
    "cut_json": (b'{"a": {"dtype"', "not JSON"),
    "duplicate": (b'{"a":' + json.dumps(ONE["a"]).encode() + b',"a":{}}', '"a" twice'),
    "duplicate_inside": (b'{"a":{"dtype":"F32","dtype":"F32"}}', '"dtype" twice'),
    "deep": (b'{"a":' * 100_000, "RecursionError"),
}


@pytest.mark.parametrize(("header", "words"), [(h, w) for h, *w in HEADERS.values()], ids=HEADERS)
def test_bad_header(forge, refused, header, words):
    refused(forge(header), *words)


def test_ambiguous_config(forge, refused):
    refused(forge({"__metadata__": {"config": '{"a": 1, "a": 2}'}, **ONE}), '"a" twice')


@pytest.mark.parametrize("length", [len(json.dumps(ONE)) + 9, 1 << 30, (1 << 64) - 1])
def test_header_length_that_lies(forge, refused, length):
    refused(forge(ONE, length=length), f"a header of {length:,} bytes")


def test_header_length_too_short(forge, refused):
    refused(forge(ONE, length=10), "not JSON")


def test_header_too_long(forge, refused):
    refused(forge(json.dumps(ONE).encode() + b" " * (5 << 20)), "a header of")


def test_no_tensors(forge, refused):
    refused(forge({"__metadata__": {}}, b""), "holds no weights")


def test_integers_keep_their_dtype(forge, rules):
    found = read(forge({"a": entry(0, 8, "I64", [1])}), rules)
    assert found.tensors["a"].dtype.name == found.dtypes["a"] == "int64"
