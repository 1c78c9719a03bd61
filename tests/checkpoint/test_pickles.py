"""Pickles that are refused: code, objects, instructions no checkpoint has, claims without end."""

from __future__ import annotations

import os
import pickle
import tracemalloc
from argparse import Namespace
from pathlib import PurePosixPath

import numpy as np
import pytest
import torch

from signbart_port.checkpoint import read

GIB = 1 << 30


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("container", ["zip", "legacy"])
@pytest.mark.parametrize("place", ["top", "inside"])
def test_code_is_named_and_not_run(tmp_path, save, refused, protocol, container, place):
    canary = tmp_path / "canary"
    evil = Call(os.system, f"touch {canary}")
    content = {
        "top": evil,
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


ORDERED = b"ccollections\nOrderedDict\n"

REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


@pytest.mark.parametrize(
    ("instructions", "words"),
    [
        (ORDERED + b"}\x8c\x08__code__K\x01sb.", "a global stands where a dict should"),
        (REBUILD + b"N}\x8c\x08__code__K\x01s\x86b.", "a global stands where a dict should"),
        (REBUILD + b"\x8c\x01aK\x01s.", "a global stands where a dict should"),
        (ORDERED + b"K\x01a.", "a global stands where a list should"),
        (ORDERED + b"}R.", "a dict stands where a tuple should"),
        (b"}K\x01\x85R.", "it calls a dict"),
        (REBUILD + b")R.", "damaged"),
        (REBUILD + b"(NNNNtR.", "None stands where a storage should"),
    ],
)
def test_reaching_through_what_is_allowed(with_pickle, refused, instructions, words):
    refused(with_pickle(b"\x80\x02" + instructions), words)


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


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_code_beside_the_weights_is_named_and_never_built(
    tmp_path, save, rules, protocol, container
):
    evil = Call(os.system, f"touch {tmp_path / 'canary'}")
    path = save({"model": {"a": torch.ones(3)}, "hook": evil}, container, pickle_protocol=protocol)
    found = read(path, rules)
    assert "left unread beside the weights, and not run: hook (posix.system)" in found.notes
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (Namespace(lr=1), "argparse.Namespace"),
        (np.float32(1), "numpy"),
        (np.ones(2), "a NumPy array"),
        (PurePosixPath("/tmp"), f"{PurePosixPath.__module__}.PurePosixPath"),
    ],
)
@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_objects_among_the_weights_are_named(save, refused, container, content, name):
    path = save({"model": {"a": torch.ones(3), "args": content}}, container)
    refused(path, name, "a Python object, not a weight", "torch.save(model.state_dict(), path)")


def test_omegaconf_is_named(with_pickle, refused):
    path = with_pickle(b"\x80\x02comegaconf.dictconfig\nDictConfig\n)\x81}b.")
    refused(path, "omegaconf.dictconfig.DictConfig", "a Python object", "Save the state dict")


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_whole_pickled_module(save, refused, container, protocol):
    path = save({"model": torch.nn.Linear(2, 2)}, container, pickle_protocol=protocol)
    refused(path, "a whole pickled model (torch.nn.modules.linear.Linear)", "state_dict()")


def test_storage_described_in_two_ways(with_pickle, refused, rules):
    twice = _state_pickle(b"")
    other = twice.replace(b"FloatStorage", b"IntStorage")
    start, end = twice.index(b"\x8c\x01a"), -1
    both = twice[:end] + other[start:end].replace(b"\x8c\x01a", b"\x8c\x01b") + b"."
    refused(with_pickle(both), 'describes the storage "0" in two ways')


STORAGE = b"(\x8c\x07storagectorch\nFloatStorage\n\x8c\x010\x8c\x03cpu"


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        (STORAGE.replace(b"\x07storage", b"\x06module") + b"K\x03tQ.", "other than a storage"),
        (STORAGE.replace(b"ctorch\nFloatStorage\n", b"\x8c\x01a") + b"K\x03tQ.", "other than"),
        (STORAGE.replace(b"\x8c\x010", b"K\x00") + b"K\x03tQ.", "an int stands where a str"),
        (b"\x8c\x07storageQ.", "other than a storage"),
        (STORAGE + b"tQ.", "other than a storage"),
        (STORAGE + b"K\x03NNtQ.", "other than a storage"),
        (STORAGE + b"K\x03(K\x01ttQ.", "other than a storage"),
        (STORAGE + b"J\xff\xff\xff\xfftQ.", "a storage of negative"),
        (STORAGE + b"\x88tQ.", "a storage of negative or unreadable size"),
    ],
    ids=["module", "type", "key", "text", "short", "long", "view", "negative", "bool"],
)
def test_reference_to_no_storage(with_pickle, refused, identity, words):
    refused(with_pickle(b"\x80\x02" + identity), words)


DEPTH = 200_000

AMPLIFIED = b"(" + b"N" * 100_000 + b"tq\x00"  # a long tuple, memoized

HOSTILE = {
    "deep_lists": (b"]" * DEPTH + b"a" * (DEPTH - 1) + b".", "holds a list"),
    "deep_tuples": (b")" + b"\x85" * DEPTH + b".", "holds a tuple"),
    "deep_key": (b"})" + b"\x85" * DEPTH + b"K\x01s.", "holds no weights"),
    "deep_keys": (b"}()" + b"\x85" * DEPTH + b"K\x01u.", "holds no weights"),
    "deep_marks": (b"(" * DEPTH + b".", "damaged"),
    "memo_put": (b"r\xff\xff\xff\xff.", "damaged"),
    "memo_get": (b"j\xff\xff\xff\xff.", "damaged"),
    "long_string": (b"X\xff\xff\xff\xff.", "damaged"),
    "no_utf8": (b"X\x01\0\0\0\xff.", "damaged"),
    "short_stack": (b"K\x01\x87.", "too few values"),
    "no_mark": (b"u.", "damaged"),
    "odd_items": (b"}(K\x01u.", "damaged"),
    "build": (b"}NNb", "None stands where"),
    "no_stop": (b"", "damaged"),
    "unknown": (b"\xff", "damaged"),
    "stop_alone": (b".", "damaged"),
    "instructions": (b"}" * 2_100_000 + b".", "too large"),
    "arguments": (AMPLIFIED + b"ctorch._utils\n_rebuild_parameter\nh\x00R.", "100,000 arguments"),
}
# Seconds each: "deep_key" stands for them on a commit.
LARGE = ("deep_lists", "deep_tuples", "deep_marks", "instructions")
MARKS = dict.fromkeys(LARGE, pytest.mark.release)


@pytest.mark.parametrize(
    ("content", "words"),
    [pytest.param(*HOSTILE[n], id=n, marks=MARKS.get(n, ())) for n in HOSTILE],
)
def test_broken_and_hostile_pickles(with_pickle, refused, content, words):
    refused(with_pickle(b"\x80\x02" + content), words)


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


@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_huge_bytearray(save, refused, container):
    refused(save(Call(bytearray, 4 * GIB), container), "holds a bytearray, not a dict of tensors")


@pytest.mark.parametrize("key", [2**61 - 1, -(2**61), 2.0**61, float("nan")])
def test_keys_whose_hashes_may_all_be_one_are_refused(save, refused, key):
    """Half a megabyte of multiples of 2**61 - 1 in one dict would take minutes."""
    refused(save({"model": {"a": torch.ones(3)}, "more": {key: 1}}, "zip"), "no trainer writes")


def test_keys_that_trainers_write_are_read(save, rules):
    found = read(
        save({"model": {"a": torch.ones(3)}, "seen": {10**12: 1, -1: 2, 0.5: 3}}, "zip"), rules
    )
    assert list(found.tensors) == ["a"]
