"""The pickles that torch.save writes, read by a machine that cannot run anything.

A small stack machine over `pickletools.genops` replaces a restricted pickle.Unpickler. It knows
only instructions that torch.save emits. It looks globals up in a table and never imports them. All
that it can make is plain data, descriptions of tensors (`Tensor`) and inert markers: an object of
any other class is `Unread`. `Machine` is the part without tensors, which also reads the pickles of
samples.
"""

from __future__ import annotations

import io
import pickletools
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from signbart_port.errors import printable
from signbart_port.untrusted.pickle_globals import (
    Element,
    Foreign,
    Global,
    Other,
    Unread,
    call,
    describe,
    new_object,
    only,
    resolve,
)
from signbart_port.untrusted.refusal import SAVE_STATE_DICT, Refusal
from signbart_port.untrusted.tensors import Storage

# A state dict of 96 tensors with its optimizer takes 38 KB and 15,000 instructions.
_MOST_BYTES = 16 << 20
_MOST_INSTRUCTIONS = 2_000_000  # a few seconds, and an empty dict (64 bytes) for each at the most
_LARGEST_KEY = 2**53
_FLAT = (str, int, float, bool, bytes, type(None))


class Pickled(NamedTuple):
    """The content of one pickle."""

    root: Any
    storages: dict[str, Storage]  # those that it names
    protocol: int
    foreign: tuple[str, ...]  # the names of classes and functions that are not known


def load(stream: io.BytesIO) -> Pickled:
    """Read one pickle from the position of `stream`, and leave `stream` after the pickle's end.

    Raises Refusal for what is not accepted; damaged bytes may raise any exception (see `naming`).
    """
    machine = _Checkpoint(stream)
    return Pickled(machine.run(), machine.storages, machine.protocol, tuple(machine.foreign))


class Machine(ABC):
    """A stack machine that runs one pickle; subclasses define its globals and what they make."""

    writer = "torch.save"
    content = "weights"
    remedy = SAVE_STATE_DICT
    most_bytes = _MOST_BYTES

    def __init__(self, stream: io.BytesIO) -> None:
        self.stream = stream
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under the open MARKs
        self.memo: dict[int, Any] = {}
        self.protocol = 0

    @abstractmethod
    def resolve(self, module: str, name: str) -> Any:
        """Return what stands for a global; raises Refusal for one that is not known."""

    @abstractmethod
    def call(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        """Return what calling `function` makes."""

    def build(self, made: Any, state: Any) -> None:
        """Give `made` its state.

        The state of an OrderedDict is its `_metadata`, versions of modules: not needed.
        """
        only(dict, made)

    def new_object(self, kind: Any, arguments: tuple[Any, ...]) -> Any:
        """Return what creating an object of the class `kind` makes."""
        raise self.unknown("NEWOBJ")

    def fill(self, made: Any, kind: type[list[Any]] | type[dict[Any, Any]]) -> Any:
        """Return the list or dict that elements are added to; raises Refusal where `made` is
        none."""
        return only(kind, made)

    def refer(self, identity: Any) -> Any:
        """Return what stands for a reference to something outside the pickle."""
        raise Refusal("refers to something outside itself", self.remedy)

    def run(self) -> Any:
        """Return the content of the pickle."""
        start = self.stream.tell()
        for count, (opcode, argument, position) in enumerate(pickletools.genops(self.stream)):
            if count > _MOST_INSTRUCTIONS or (position or 0) - start > self.most_bytes:
                raise Refusal(
                    f"holds more than {self.content}: its pickle is too large", self.remedy
                )
            self.step(opcode.name, argument)
        return self.stack.pop()

    def step(self, instruction: str, argument: Any) -> None:
        """Execute one instruction; raises Refusal for one that is not known."""
        stack = self.stack
        match instruction:
            case "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case (
                "BINUNICODE" | "SHORT_BINUNICODE" | "BININT" | "BININT1" | "BININT2" | "BINFLOAT"
                | "LONG1" | "SHORT_BINBYTES" | "BINBYTES"
            ):  # fmt: skip
                stack.append(argument)
            case "NONE":
                stack.append(None)
            case "NEWTRUE":
                stack.append(True)
            case "NEWFALSE":
                stack.append(False)
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                at = len(stack) - int(instruction[-1])
                if at < 0:
                    raise Refusal("holds a broken pickle: too few values for a tuple")
                stack[at:] = [tuple(stack[at:])]
            case "MARK":
                self.below.append(stack)
                self.stack = []
            case "TUPLE":
                self._close(tuple(stack))
            case "EMPTY_LIST":
                stack.append([])
            case "APPEND":
                value = stack.pop()
                self.fill(stack[-1], list).append(value)
            case "APPENDS":
                self._close()
                self.fill(self.stack[-1], list).extend(stack)
            case "EMPTY_DICT":
                stack.append({})
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self.fill(stack[-1], dict)[_key(key)] = value
            case "SETITEMS":
                self._close()
                keys = map(_key, stack[::2])
                self.fill(self.stack[-1], dict).update(zip(keys, stack[1::2], strict=True))
            case "EMPTY_SET":
                stack.append(Other("a set"))
            case "ADDITEMS":
                self._close()
            case "FROZENSET":
                self._close(Other("a set"))
            case "GLOBAL":
                module, _, name = argument.partition(" ")
                stack.append(self.resolve(module, name))
            case "STACK_GLOBAL":
                name, module = only(str, stack.pop()), only(str, stack.pop())
                stack.append(self.resolve(module, name))
            case "REDUCE":
                arguments, function = only(tuple, stack.pop()), stack.pop()
                stack.append(self.call(function, arguments))
            case "NEWOBJ":
                arguments, kind = only(tuple, stack.pop()), stack.pop()
                stack.append(self.new_object(kind, arguments))
            case "BUILD":
                state = stack.pop()
                self.build(stack[-1], state)
            case "BINPERSID":
                stack.append(self.refer(stack.pop()))
            case "PROTO":
                self.protocol = argument
            case "FRAME" | "STOP":
                pass
            case _:
                raise self.unknown(instruction)

    def unknown(self, instruction: str) -> Refusal:
        """Return the refusal of an instruction."""
        return Refusal(
            f"holds a pickle with the instruction {instruction}, which {self.writer} never "
            f"writes for {self.content}",
            self.remedy,
        )

    def _close(self, *made: object) -> None:
        self.stack = self.below.pop()
        self.stack.extend(made)


class _Checkpoint(Machine):
    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.storages: dict[str, Storage] = {}
        self.foreign: dict[str, None] = {}

    def step(self, instruction: str, argument: Any) -> None:
        stack = self.stack
        match instruction:  # what objects beside the weights are pickled with
            case "BINUNICODE8" | "BINBYTES8":
                stack.append(argument)
            case "BYTEARRAY8":
                stack.append(Other("a bytearray"))
            case "LONG4":
                stack.append(Other("a long integer"))
            case "POP":
                stack.pop()
            case "POP_MARK":
                self._close()
            case "NEWOBJ_EX":
                named, arguments, kind = stack.pop(), only(tuple, stack.pop()), stack.pop()
                only(dict, named)
                stack.append(self.new_object(kind, arguments))
            case _:
                super().step(instruction, argument)

    def resolve(self, module: str, name: str) -> Global | Element | Foreign:
        found = resolve(module, name, self.protocol)
        if type(found) is Foreign:
            self.foreign[found.name] = None
        return found

    def call(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        return call(function, arguments)

    def new_object(self, kind: Any, arguments: tuple[Any, ...]) -> Any:
        return new_object(kind, arguments)

    def build(self, made: Any, state: Any) -> None:
        if type(made) is Unread:
            # An object with __slots__ has a pair for a state: of its attributes, and of its slots.
            parts = state if type(state) is tuple else (state,)
            for part in parts:
                if type(part) is dict:
                    made.attributes = made.attributes or part
        elif type(made) is not Other:
            super().build(made, state)

    def fill(self, made: Any, kind: type[list[Any]] | type[dict[Any, Any]]) -> Any:
        return kind() if type(made) in (Unread, Other) else super().fill(made, kind)

    def refer(self, identity: Any) -> Any:
        # ("storage", type, key, device, numel); before 1.6 also a view, None since 0.4
        known = type(identity) is tuple and len(identity) in (5, 6) and identity[0] == "storage"
        if type(identity) is tuple and identity[:1] == ("module",) and len(identity) == 4:
            return only(Foreign, identity[1])  # before 1.6: a model's class, and its source text
        if not known or type(identity[1]) is not Element or any(identity[5:]):
            raise Refusal("refers to something other than a storage of numbers", SAVE_STATE_DICT)
        _, element, key, _device, numel = identity[:5]
        if type(numel) is not int or numel < 0:
            raise Refusal("holds a storage of negative or unreadable size")
        storage = Storage(element.dtype, only(str, key), numel)
        if self.storages.setdefault(storage.key, storage) != storage:
            raise Refusal(f'describes the storage "{printable(key)}" in two ways')
        return storage


def _key(value: Any) -> Any:
    # Hashing a deeply nested tuple overflows the C stack, so only flat values are keys; and numbers
    # beyond the modulus of their hash can all have the same one.
    if type(value) in (int, float) and not -_LARGEST_KEY <= value <= _LARGEST_KEY:
        raise Refusal(f"has the key {printable(value, 40)}, which no trainer writes")
    return value if type(value) in _FLAT else Other(describe(value))
