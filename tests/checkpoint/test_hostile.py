"""Hostile pickles with whole weights in them: nothing of theirs runs, in either reader, and their
claims cost no memory.

Each has the place of one value beside the weights, or of a weight. Python's own unpickler would run
it: its canary is a file that would then be there.
"""

from __future__ import annotations

import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from signbart_port.checkpoint import NameRules, read
from signbart_port.checkpoint.candidates import Held
from signbart_port.errors import PortError
from signbart_port.parity.workers import torch_weights

RULES = NameRules(("model",), ())
WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


class Everything:
    """Wants the two tensors of `WEIGHTS`."""

    def held(self, shapes):
        known = WEIGHTS.keys() & shapes.keys()
        return Held(frozenset(known), len(WEIGHTS) - len(known))


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


CANARY = "CANARY"
COMMAND = text(f"touch {CANARY}")
SYSTEM = name("posix", "system")
RUN = SYSTEM + COMMAND + b"\x85R"  # os.system("touch CANARY")
EVAL = name("builtins", "eval") + text(f"open('{CANARY}', 'w')") + b"\x85R"
OWN = name("config", "TrainConfig")
OBJECT = OWN + b")\x81"  # object of a class that nobody has
STATE = b"}" + text("lr") + b"K\x01s"
GETATTR = name("builtins", "getattr")
REBUILD = name("torch._utils", "_rebuild_tensor_v2")
LONG = b"\x8b" + struct.pack("<i", 1 << 20) + bytes(1 << 20)

# Values that pickles can build, and that stand beside the weights: each is left unread.
BESIDE: dict[str, bytes] = {
    "reduce": RUN,
    "reduce of eval": EVAL,
    "reduce of exec": name("builtins", "exec") + COMMAND + b"\x85R",
    "reduce of import": name("builtins", "__import__") + text("antigravity") + b"\x85R",
    "reduce as Python 2 names it": name("__builtin__", "eval") + COMMAND + b"\x85R",
    "reduce of subprocess": name("subprocess", "check_output") + b"]" + COMMAND + b"a\x85R",
    "reduce of what a reduce gives": GETATTR
    + name("posix", "nothing")
    + text("system")
    + b"\x86R"
    + COMMAND
    + b"\x85R",
    "reduce of a weight's function": name("torch", "load") + COMMAND + b"\x85R",
    "reduce of torch.hub": name("torch.hub", "load") + COMMAND + b"\x85R",
    "reduce of a compiler": name("torch.utils.cpp_extension", "load") + COMMAND + b"\x85R",
    "reduce with arguments that are reduced": OWN + b"(" + RUN + RUN + b"tR",
    "reduce of map": name("builtins", "map") + SYSTEM + b"]" + COMMAND + b"a\x86R",
    "reduce of operator": name("operator", "methodcaller") + text("system") + b"\x85R",
    "reduce of functools": name("functools", "partial") + SYSTEM + COMMAND + b"\x86R)R",
    "newobj": OBJECT,
    "call of an object": OBJECT + COMMAND + b"\x85R",
    "newobj with arguments": OWN + RUN + b"\x85\x81",
    "newobj of a function": SYSTEM + COMMAND + b"\x85\x81",
    "newobj_ex": OWN + b")" + STATE + b"\x92",
    "newobj_ex with arguments": OWN + RUN + b"\x85}" + text("k") + RUN + b"s\x92",
    "newobj_ex of a function": SYSTEM + COMMAND + b"\x85}\x92",
    "build": OBJECT + STATE + b"b",
    "build with __setstate__": OBJECT
    + b"}"
    + text("__setstate__")
    + SYSTEM
    + b"sb"
    + COMMAND
    + b"b",
    "build with __class__": OBJECT + b"}" + text("__class__") + SYSTEM + b"sb",
    "build with __dict__": OBJECT + b"}" + text("__dict__") + RUN + b"sb",
    "build with a pair": OBJECT + b"N" + b"}" + text("x") + RUN + b"s\x86b",
    "build with a reduce": OBJECT + RUN + b"b",
    "build twice": OBJECT + STATE + b"b" + STATE + b"b",
    "build of a function": SYSTEM + b")\x81" + STATE + b"b",
    "state that is no dict": OBJECT + b"K\x07b",
    "items of an object": OBJECT + text("key") + RUN + b"s",
    "many items of an object": OBJECT + b"(" + text("a") + RUN + text("b") + RUN + b"u",
    "elements of an object": OBJECT + RUN + b"a",
    "many elements of an object": OBJECT + b"(" + RUN + RUN + b"e",
    "in a list": b"](" + RUN + OBJECT + b"e",
    "in a tuple": RUN + OBJECT + b"\x86",
    "in a dict": b"}" + text("k") + RUN + b"s",
    "as a key": b"}" + RUN + b"K\x01s",
    "object as a key": b"}" + OBJECT + b"K\x01s",
    "deep": b"]" * 100 + RUN + b"a" * 100,
    "very deep": b"]" * 50_000 + RUN + b"a" * 50_000,
    "deep arguments": OWN + b")" + b"\x85" * 50_000 + b"R",
    "deep state": OBJECT + b"}" + text("s") + b"]" * 50_000 + b"a" * 49_999 + b"sb",
    "memo of the function": SYSTEM + b"q\x100h\x10" + COMMAND + b"\x85R",
    "memo of the result": RUN + b"q\x100h\x10",
    "memo overwritten": b"Nq\x100" + RUN + b"q\x100h\x10",
    "cycle": b"]q\x10h\x10a" + RUN + b"a",
    "cycle of an object": OBJECT + b"q\x10}" + text("self") + b"h\x10sb",
    "stack_global": text("posix") + text("system") + b"\x93" + COMMAND + b"\x85R",
    "stack_global by a path": text("os") + text("path.os.system") + b"\x93" + COMMAND + b"\x85R",
    "name with dots": name("torch", "serialization.os.system") + COMMAND + b"\x85R",
    "name of our own": name("signbart_port.system.atomic_output", "replacing") + COMMAND + b"\x85R",
    "bytearray that is large": name("__builtin__", "bytearray") + b"J\x00\x00\x00\x40\x85R",
    "long integer": LONG,
    "frozenset": b"(" + RUN + b"\x91",
    "set": b"\x8f(" + RUN + b"\x90",
    "many objects": b"](" + OBJECT * 20_000 + b"e",
    "long name": name("m" * 10_000, "C") + b")\x81",
    "control codes in a name": name("a\x1b[31mb", "C") + b")\x81",
    "popped": RUN + b"0N",
    "popped to the mark": b"(" + RUN + b"1N",
    "whole model": name("torch.nn.modules.linear", "Linear")
    + b")\x81}"
    + text("_parameters")
    + b"}s"
    + text("_modules")
    + b"}sb",
    "persistent id inside": OBJECT + b"}" + text("s") + b"K\x01sb",
}

# Seconds each: beside the others, "deep arguments" stands for them on a commit.
LARGE = ("very deep", "deep state", "many objects", "bytearray that is large")
CASES = [pytest.param(n, marks=pytest.mark.release) if n in LARGE else n for n in BESIDE]

# What no checkpoint is written with: refused, wherever it stands.
REFUSED: dict[str, bytes] = {
    "ext1": b"\x82\x01",
    "ext2": b"\x83\x01\x00",
    "ext4": b"\x84\x01\x00\x00\x00",
    "inst": b"(" + COMMAND + b"iposix\nsystem\n",
    "obj": b"(" + SYSTEM + COMMAND + b"o",
    "text of a persistent id": b"Pstorage\n",
    "persistent id that is code": RUN + b"Q",
    "persistent id that is an object": OBJECT + b"Q",
    "out-of-band buffer": b"\x97",
    "read-only buffer": b"\x97\x98",
    "huge bytearray": b"\x96" + struct.pack("<q", 1 << 60),
    "huge string": b"\x8d" + struct.pack("<q", 1 << 60),
    "huge bytes": b"\x8e" + struct.pack("<q", 1 << 60),
    "huge long": b"\x8b" + struct.pack("<i", (1 << 31) - 1),
    "huge memo": b"Nj\xff\xff\xff\xff",
    "negative count": b"B\xff\xff\xff\xff",
    "string of Python 2": b"U\x03abc",
    "text integer": b"I" + b"9" * 5000 + b"\n",
    "rebuild of nothing": REBUILD + b")R",
    "rebuild of an object": REBUILD + b"(" + OBJECT + b"K\x00)))" + b"tR",
    "newobj of a rebuild": REBUILD + b")\x81",
    "call of a number": b"K\x07)R",
    "arguments that are no tuple": SYSTEM + b"]R",
    "build of a function itself": SYSTEM + b"}b",
    "items of a function": SYSTEM + text("k") + RUN + b"s",
    "build of a number": b"K\x07}b",
}


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a checkpoint whose pickle has one value beside its weights, or in place of one."""
    monkeypatch.chdir(tmp_path)  # where the canary would be

    def write(value: bytes, place: str) -> Path:
        plain = tmp_path / "plain.pth"
        torch.save({"model": WEIGHTS, "beside": None}, plain)
        with zipfile.ZipFile(plain) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()}
        content = members["plain/data.pkl"]
        at = content.rindex(b"N") if place == "beside" else content.index(b"a.weight") + 8
        if place == "beside":
            content = content[:at] + value + content[at + 1 :]
        else:  # after its name and what is put in the memo there
            at += 2
            content = content[:at] + value + text("a.other") + content[at:]
        members["plain/data.pkl"] = content
        path = tmp_path / "model.pth"
        with zipfile.ZipFile(path, "w") as archive:
            for member, data in members.items():
                archive.writestr(member, data)
        return path

    return write


def bounded(path: Path):
    """Read a file, in memory that its own size bounds."""
    tracemalloc.start()
    try:
        return read(path, RULES, Everything())
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < (24 << 20) + 40 * path.stat().st_size


@pytest.mark.parametrize("case", CASES)
def test_beside_the_weights_it_is_left_unread(hostile, case) -> None:
    path = hostile(BESIDE[case], "beside")
    found = bounded(path)
    assert {n: a.tolist() for n, a in found.tensors.items()} == {
        n: t.tolist() for n, t in WEIGHTS.items()
    }
    assert all(note.isprintable() for note in found.notes)
    before = set(os.listdir())
    tensors, _ = torch_weights.read(found.location)
    assert all(torch.equal(tensors[n], tensor) for n, tensor in WEIGHTS.items())
    assert set(os.listdir()) == before and CANARY not in before


@pytest.mark.parametrize("case", CASES)
def test_among_the_weights_it_is_refused(hostile, case) -> None:
    path = hostile(BESIDE[case], "among")
    with pytest.raises(PortError) as caught:
        bounded(path)
    assert str(caught.value).isprintable()
    assert not Path(CANARY).exists()


@pytest.mark.parametrize("place", ["beside", "among"])
@pytest.mark.parametrize("case", REFUSED)
def test_what_no_checkpoint_has_is_refused(hostile, case, place) -> None:
    path = hostile(REFUSED[case], place)
    with pytest.raises(PortError) as caught:
        bounded(path)
    assert str(caught.value).isprintable()
    assert not Path(CANARY).exists()


def test_the_hostile_value_is_named(hostile) -> None:
    found = read(hostile(RUN, "beside"), RULES, Everything())
    assert any("left unread" in n and "beside (posix.system)" in n for n in found.notes)
    found = read(hostile(OWN + RUN + b"\x85R", "beside"), RULES, Everything())
    (note,) = [n for n in found.notes if "left unread" in n]
    assert "beside (config.TrainConfig)" in note and "posix.system" in note


def test_the_canary_sings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is hostile here is so for Python's own unpickler."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(b"\x80\x02" + EVAL + b".").close()
    assert (tmp_path / CANARY).exists()


@pytest.mark.parametrize("call", [(), (1, 2), (RUN,)])
def test_a_stand_in_stores_and_runs_nothing(call) -> None:
    made = torch_weights.StandIn(*call, key=call)
    made.__setstate__({"__class__": Path, "x": 1})
    assert not hasattr(made, "__dict__") and not hasattr(made, "x")
    assert type(torch_weights.StandIn.__new__(torch_weights.StandIn, *call)) is type(made)
    with pytest.raises(AttributeError):
        made.x = 1
    assert not isinstance(made, (dict, list, tuple)) and not callable(made)


def test_pytorch_itself_is_never_given_more_than_stand_ins(hostile) -> None:
    """Its reader is left as it was, also where it has failed."""
    from torch.serialization import get_safe_globals

    before = set(get_safe_globals())
    for case in ("reduce", "build with __setstate__", "stack_global"):
        found = read(hostile(BESIDE[case], "beside"), RULES, Everything())
        torch_weights.read(found.location)
        assert set(get_safe_globals()) == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(hostile(RUN, "beside"), weights_only=True)
