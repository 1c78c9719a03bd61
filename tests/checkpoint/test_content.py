"""Content that is refused: no dict of names, tensors of other kinds, tensors that lie."""

from __future__ import annotations

import warnings
from collections import OrderedDict

import pytest
import torch
from torch._utils import _rebuild_tensor_v2

from signbart_port.checkpoint import read


class Forged:
    """Pickles as a tensor of a storage of four floats, whose description need not be true."""

    def __init__(self, offset, size, stride):
        self.geometry = offset, size, stride

    def __reduce__(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # TypedStorage is deprecated
            storage = torch.ones(4).storage()
        return _rebuild_tensor_v2, (storage, *self.geometry, False, OrderedDict())


@pytest.mark.parametrize(
    ("content", "called"),
    [
        (7, "an int"),
        (None, "None"),
        ([torch.ones(2)], "a list"),
        (torch.ones(2), "a tensor"),
        ("text", "a str"),
        ({1, 2}, "a set"),
    ],
)
@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_top_level_that_is_no_dict(save, refused, container, content, called):
    refused(save(content, container), f"holds {called}, not a dict of tensors")


@pytest.mark.parametrize("content", [{}, {"model": {}}, {"net": {"a": torch.ones(2)}, "epoch": 3}])
def test_no_tensors(save, refused, content):
    message = refused(save(content), "holds no weights")
    assert ("net, epoch" in message) == ("net" in content)


def test_two_candidates(save, refused):
    state = {"a": torch.ones(2)}
    refused(save({"model": state, "state_dict": state}), '"model" and "state_dict"')


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (3, "by an int"),
        ((1, 2), "by a tuple"),
        (None, "by None"),
        ("", 'unusable name ""'),
        ("a\x1b[31mb", ("unusable name", "\\x1b")),
        ("a\0b", "unusable name"),
        ("a\u202eb", "unusable name"),
        ("\ud800", "unusable name"),
        ("module." * 150_000, ("unusable name", "1,050,000 characters")),
    ],
    ids=lambda value: None if isinstance(value, tuple) else ascii(value)[:12],
)
def test_keys_that_name_no_weight(save, refused, key, words):
    words = (words,) if isinstance(words, str) else words
    refused(save({"good": torch.ones(2), key: torch.ones(2)}), *words)


def test_names_that_fall_together(save, refused):
    state = {"module.a": torch.ones(2), "_orig_mod.a": torch.ones(2)}
    refused(save(state), "COLLISION", '"module.a"', '"_orig_mod.a"')


def _negated():
    return torch.imag(torch.ones(2, dtype=torch.complex64).conj())


def _quantized():
    return torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)


UNUSABLE = {
    "sparse": (lambda: torch.eye(2).to_sparse(), "a sparse tensor"),
    "sparse_csr": (lambda: torch.eye(2).to_sparse_csr(), "a sparse tensor"),
    "quantized": (_quantized, "a quantized tensor"),
    "meta": (lambda: torch.ones(2, device="meta"), "a meta tensor"),
    "nested": (lambda: torch.nested.nested_tensor([torch.ones(2)]), "a nested tensor"),
    "complex": (lambda: torch.ones(2, dtype=torch.complex64), "complex64"),
    "float8": (lambda: torch.ones(2).to(torch.float8_e4m3fn), "float8_e4m3fn"),
    "negated": (_negated, "negated"),
    "number": (lambda: 3, "an int"),
    "storage": (lambda: torch.ones(2).untyped_storage(), "a storage"),
    "list": (lambda: [torch.ones(2)], "a list"),
}


@pytest.mark.parametrize(("make", "called"), UNUSABLE.values(), ids=UNUSABLE)
def test_values_that_are_no_dense_tensor(save, refused, rules, make, called):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = make()
    refused(save({"a": torch.ones(2), "b.odd": value}), '"b.odd"', called)
    if called.endswith("tensor"):
        refused(save({"b.odd": value}), '"b.odd"', called)
    beside = read(save({"model": {"a": torch.ones(2)}, "beside": value}), rules)
    assert list(beside.tensors) == ["a"]


def test_float64_beyond_float32(save, refused):
    path = save({"a": torch.ones(2), "b": torch.tensor([1.0, -1e300], dtype=torch.float64)})
    refused(path, '"b"', "overflow float32")


def test_not_a_number_is_not_judged_here(save, same_as_torch):
    same_as_torch(save({"a": torch.tensor([float("nan"), float("inf"), 1.0])}))


LIES = {
    "offset": ((1, (4,), (1,)), "outside its storage"),
    "size": ((0, (5,), (1,)), "outside its storage"),
    "stride": ((0, (2, 2), (3, 1)), "outside its storage"),
    "scalar": ((4, (), ()), "outside its storage"),
    "40_gb_of_4_bytes": ((0, (10_000_000_000,), (0,)), "outside its storage"),
    "overlap": ((0, (3, 2), (1, 1)), "outside its storage"),
    "huge": ((0, (1 << 62, 1 << 62), (1, 1)), "outside its storage"),
    "negative_stride": ((3, (4,), (-1,)), "negative"),
    "negative_size": ((0, (-4,), (1,)), "negative"),
    "negative_offset": ((-1, (1,), (1,)), "negative"),
    "float_size": ((0, (4.0,), (1,)), "unreadable"),
    "bool_size": ((0, (True,), (1,)), "unreadable"),
    "list_size": ((0, [4], (1,)), "do not go together"),
    "ranks": ((0, (4,), (1, 1)), "do not go together"),
    "axes": ((0, (1,) * 65, (1,) * 65), "65 axes"),
}


@pytest.mark.parametrize(("geometry", "words"), LIES.values(), ids=LIES)
def test_geometry_that_lies(save, refused, geometry, words):
    refused(save({"a": Forged(*geometry)}), words)


def test_expanded_tensor(save, refused):
    refused(save({"a": torch.zeros(1).expand(100_000, 100_000)}), "claims 40,000,000,000 bytes")


def test_many_views_of_one_storage(save, refused):
    whole = torch.zeros(64, 64, dtype=torch.bfloat16)
    state = {f"{row}.{column}": whole[row:, column:] for row in range(8) for column in range(8)}
    refused(save(state), "more values than the file has bytes")
