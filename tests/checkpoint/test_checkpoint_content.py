"""Content that is refused: code, objects, tensors that lie or are of another kind."""

from __future__ import annotations

import os
import pathlib
import pickle
import tracemalloc
import warnings
from argparse import Namespace
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch._utils import _rebuild_tensor_v2

from signbart_port.checkpoint import read

GIB = 1 << 30


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def forged(offset, size, stride, numel=4):
    """A tensor whose description need not be true."""
    storage = torch.ones(numel).storage()
    return Call(_rebuild_tensor_v2, storage, offset, size, stride, False, OrderedDict())


@pytest.fixture
def save(tmp_path):
    def write(content, container="zip", **options):
        path = tmp_path / "model.pth"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about deprecated kinds of tensors, still met in files
            torch.save(content, path, _use_new_zipfile_serialization=container == "zip", **options)
        return path

    return write


@pytest.fixture
def with_pickle(tmp_path, save, rewrite):
    """An archive of torch.save whose pickle is replaced by the given bytes."""

    def write(content):
        source = save({"a": torch.ones(3)})
        return rewrite(source, lambda ms: [(n, content if "pkl" in n else c) for n, c in ms])

    return write


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("container", ["zip", "legacy"])
@pytest.mark.parametrize("place", ["top", "beside", "inside"])
def test_code_is_named_and_not_run(tmp_path, save, refused, protocol, container, place):
    canary = tmp_path / "canary"
    evil = Call(os.system, f"touch {canary}")
    content = {
        "top": evil,
        "beside": {"model": {"a": torch.ones(3)}, "hook": evil},
        "inside": {"a": torch.ones(3), "b": evil},
    }[place]
    path = save(content, container, pickle_protocol=protocol)
    refused(path, "posix.system: code, not weights; nothing of it was run")
    assert not canary.exists()


def test_code_in_a_raw_pickle(tmp_path, refused):
    for protocol in range(6):
        path = tmp_path / "model.pth"
        path.write_bytes(pickle.dumps(Call(os.system, f"touch {tmp_path}/canary"), protocol))
        refused(path, "not a PyTorch checkpoint" if protocol else "text")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    "instructions",
    [
        b"cposix\nsystem\n(S'touch canary'\ntR.",  # protocol 0
        b"(iposix\nsystem\n.",  # INST
        b"(cposix\nsystem\no.",  # OBJ
        b"\x80\x02cbuiltins\neval\n\x8c\x011\x85R.",
        b"\x80\x02c__builtin__\neval\n\x8c\x011\x85R.",
        b"\x80\x02ctorch.hub\nload\n)R.",
        b"\x80\x04\x8c\x05torch\x8c\x04load\x93)R.",
        b"\x80\x02\x82\x01.",  # EXT1
        b"Pstorage\n.",  # a persistent id as text
        b"\x80\x05\x96" + (1 << 62).to_bytes(8, "little") + b".",  # BYTEARRAY8
        b"\x80\x05\x97.",  # NEXT_BUFFER
        b"\x80\x02ccollections\nOrderedDict\n)\x81.",  # NEWOBJ
        b"\x80\x02ccollections\nOrderedDict\n(K\x01K\x02\x86ltR.",  # OrderedDict with arguments
    ],
)
def test_instructions_that_no_checkpoint_has(with_pickle, refused, instructions):
    refused(with_pickle(instructions))


def test_reaching_through_what_is_allowed(with_pickle, refused):
    """BUILD, SETITEM and APPEND on an allowed global, a call of a value."""
    ordered = b"ccollections\nOrderedDict\n"
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n"
    state = b"}\x8c\x08__code__K\x01s"
    for instructions in (
        ordered + state + b"b.",
        rebuild + b"N" + state + b"\x86b.",
        rebuild + b"\x8c\x01aK\x01s.",
        ordered + b"K\x01a.",
        b"}K\x01\x85R.",
        rebuild + b")R.",
    ):
        refused(with_pickle(b"\x80\x02" + instructions))


def test_attributes_of_an_ordered_dict_change_nothing(with_pickle, rules, save):
    """BUILD may put "items" or "keys" on a real OrderedDict; on what is read here it cannot."""
    names = (b"items", b"keys", b"__class__", b"get", b"values")
    hostile = b"".join(b"\x8c" + bytes([len(n)]) + n + b"K\x01s" for n in names)
    plain = with_pickle(_state_pickle(b""))
    before = read(plain, rules).tensors["a"].tobytes()
    assert (
        read(with_pickle(_state_pickle(b"}" + hostile + b"b")), rules).tensors["a"].tobytes()
        == before
    )


def _state_pickle(build: bytes) -> bytes:
    storage = (
        b"(\x8c\x07storagectorch\nFloatStorage\n\x8c\x010\x8c\x03cpuK\x03tQ"
        b"K\x00K\x03\x85K\x01\x85\x89ccollections\nOrderedDict\n)R"
    )
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"tR"
    return b"\x80\x02ccollections\nOrderedDict\n)R\x8c\x01a" + tensor + b"s" + build + b"."


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (Namespace(lr=1), "argparse.Namespace"),
        (np.float32(1), "numpy"),
        (np.ones(2), "numpy"),
        (pathlib.PurePosixPath("/tmp"), "pathlib.PurePosixPath"),
    ],
)
@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_objects_are_named(save, refused, container, content, name):
    path = save({"model": {"a": torch.ones(3)}, "args": content}, container)
    refused(path, name, "a Python object, not a weight", "torch.save(model.state_dict(), path)")


def test_omegaconf_is_named(with_pickle, refused):
    path = with_pickle(b"\x80\x02comegaconf.dictconfig\nDictConfig\n)\x81}b.")
    refused(path, "omegaconf.dictconfig.DictConfig", "a Python object", "Save the state dict")


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_whole_pickled_module(save, refused, container, protocol):
    path = save({"model": torch.nn.Linear(2, 2)}, container, pickle_protocol=protocol)
    refused(path, "a whole pickled model (torch.nn.modules.linear.Linear)", "state_dict()")


@pytest.mark.parametrize(
    ("content", "called"),
    [
        (7, "an int"),
        (None, "None"),
        ([torch.ones(2)], "a list"),
        (torch.ones(2), "a tensor"),
        ("text", "a str"),
        ({1, 2}, "a set"),
        (Call(bytearray, 4 * GIB), "a bytearray"),
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # TypedStorage is deprecated
        tensor = forged(*geometry)
    refused(save({"a": tensor}), words)


def test_expanded_tensor(save, refused):
    refused(save({"a": torch.zeros(1).expand(100_000, 100_000)}), "claims 40,000,000,000 bytes")


def test_many_views_of_one_storage(save, refused):
    whole = torch.zeros(64, 64, dtype=torch.bfloat16)
    state = {f"{row}.{column}": whole[row:, column:] for row in range(8) for column in range(8)}
    refused(save(state), "more values than the file has bytes")


def test_storage_described_in_two_ways(with_pickle, refused, rules):
    twice = _state_pickle(b"")
    other = twice.replace(b"FloatStorage", b"IntStorage")
    start, end = twice.index(b"\x8c\x01a"), -1
    both = twice[:end] + other[start:end].replace(b"\x8c\x01a", b"\x8c\x01b") + b"."
    refused(with_pickle(both), 'describes the storage "0" in two ways')


@pytest.mark.parametrize(
    "identity",
    [
        b"(\x8c\x06modulectorch\nFloatStorage\n\x8c\x010\x8c\x03cpuK\x03tQ.",
        b"(\x8c\x07storage\x8c\x01a\x8c\x010\x8c\x03cpuK\x03tQ.",
        b"\x8c\x07storageQ.",
        b"(\x8c\x07storagectorch\nFloatStorage\n\x8c\x010\x8c\x03cpuJ\xff\xff\xff\xfftQ.",
        b"(\x8c\x07storagectorch\nFloatStorage\n\x8c\x010\x8c\x03cpuK\x03(K\x01ttQ.",
    ],
    ids=["module", "no_type", "text", "negative", "view"],
)
def test_reference_to_no_storage(with_pickle, refused, identity):
    assert "storage" in refused(with_pickle(b"\x80\x02" + identity))


DEPTH = 200_000
AMPLIFIED = b"\x80\x02(" + b"N" * 100_000 + b"tq\x00"  # a long tuple, memoised


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02" + b"]" * DEPTH + b"a" * (DEPTH - 1) + b".",
        b"\x80\x02)" + b"\x85" * DEPTH + b".",
        b"\x80\x02}" + b")" + b"\x85" * DEPTH + b"K\x01s.",
        b"\x80\x02" + b"(" * DEPTH + b".",
        b"\x80\x02r\xff\xff\xff\xff.",
        b"\x80\x02j\xff\xff\xff\xff.",
        b"\x80\x02X\xff\xff\xff\xff.",
        b"\x80\x02X\x01\0\0\0\xff.",
        b"\x80\x02K\x01\x87.",
        b"\x80\x02u.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02}NNb",
        b"\x80\x02",
        b"\xff",
        b".",
        b"",
        b"\x80\x02" + b"}" * 2_100_000 + b".",
        b"\x80\x02" + b"X\xff\xff\x0f\0" + bytes(0xFFFFF) + b"\x8c\xff" + b"a" * 255 + b".",
        AMPLIFIED + b"(ctorch._utils\n_rebuild_parameter\nh\x00R0" * 1 + b".",
        AMPLIFIED + b"ctorch._utils\n_rebuild_parameter\nh\x00R" * 500 + b".",
    ],
    ids=[
        "deep_lists", "deep_tuples", "deep_key", "deep_marks", "memo_put", "memo_get",
        "long_string", "no_utf8", "short_stack", "no_mark", "odd_items", "build", "no_stop",
        "unknown", "stop_alone", "nothing", "instructions", "strings", "pop", "arguments",
    ],
)  # fmt: skip
def test_broken_and_hostile_pickles(with_pickle, refused, content):
    refused(with_pickle(content))


def test_long_pickle_is_refused_early(with_pickle, refused):
    path = with_pickle(b"\x80\x02" + b"X\x00\x00\x10\x00" + bytes(1 << 20) + b"".join(
        b"X\x00\x00\x10\x00" + bytes(1 << 20) for _ in range(17)
    ) + b".")  # fmt: skip
    refused(path, "its pickle is too large")


def test_claims_cost_no_memory(save, with_pickle, refused):
    paths = [
        (save, {"a": Call(bytearray, 4 * GIB)}),
        (with_pickle, b"\x80\x05\x96" + (8 * GIB).to_bytes(8, "little") + b"."),
        (with_pickle, b"\x80\x02r\xff\xff\xff\x7f."),
    ]
    for make, content in paths:
        path = make(content)
        tracemalloc.start()
        refused(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 10 << 20
