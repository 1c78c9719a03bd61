"""A second, simpler reading of a pickle: where each tensor of a state dict lies.

It shares no code with `untrusted.pickle_machine`: a table says what each opcode takes from the
stack and leaves on it, and terms (tuples of numbers and strings) stand for all values. Nothing is
made, so a dict is known by what was assigned to it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from signbart_port.untrusted.refusal import Refusal

View = tuple[str, str, int, int, tuple[int, ...], tuple[int, ...]]
"""A tensor: key of its storage, the storage's type, its elements; offset, size, strides."""
Term = tuple[Any, ...]

_FIXED = {1: "<B", 2: "<H", 4: "<i", 8: "<q"}
_ORDERED = ("collections", "OrderedDict")
_REBUILD = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3")
_MOST_STEPS = 4_000_000
# Opcodes by what they do: (bytes of an argument or of its length, what is pushed).
_NUMBERS = {b"J": 4, b"K": 1, b"M": 2}
_STRINGS = {b"X": 4, b"\x8c": 1, b"\x8d": 8}
_BYTES = {b"B": 4, b"C": 1, b"\x8e": 8, b"\x96": 8, b"\x8a": 1, b"\x8b": 4}  # not needed: skipped
_EMPTY = {b"}": "dict", b"]": "list", b"\x8f": "other", b")": "tuple"}
_CONSTANTS = {b"N": None, b"\x88": True, b"\x89": False}
_TUPLES = {b"\x85": 1, b"\x86": 2, b"\x87": 3}
_GET, _PUT = {b"h": 1, b"j": 4}, {b"q": 1, b"r": 4}


def views(pickle: bytes | memoryview, keys: Sequence[str]) -> dict[str, View]:
    """Return where the tensors lie of the state dict that `keys` lead to, by name.

    Raises Refusal where the pickle is not one of these; damaged bytes may raise any exception.
    """
    trace = _Trace(bytes(pickle))
    term = trace.run()
    for key in keys:
        term = trace.item(term, key)
    found = {}
    for name, value in trace.items(term).items():
        if (view := trace.view(value)) is not None:
            found[name] = view
    return found


class _Trace:
    def __init__(self, pickle: bytes) -> None:
        self.pickle, self.at = pickle, 0
        self.stack: list[Term] = []
        self.marks: list[int] = []
        self.memo: dict[int, Term] = {}
        self.assigned: dict[int, list[tuple[Term, Term]]] = {}
        self.appended: dict[int, list[Term]] = {}
        self.made = 0

    def run(self) -> Term:
        for _ in range(_MOST_STEPS):
            opcode = self.take(1)
            if opcode == b".":
                return self.stack.pop()
            self.step(opcode)
        raise Refusal("holds a pickle that is too long to be read twice")

    def take(self, count: int) -> bytes:
        found = self.pickle[self.at : self.at + count]
        if count < 0 or len(found) < count:
            raise Refusal("holds a pickle that ends too early")
        self.at += count
        return found

    def number(self, width: int) -> int:
        return int(struct.unpack(_FIXED[width], self.take(width))[0])

    def line(self) -> str:
        end = self.pickle.index(b"\n", self.at)
        found = self.pickle[self.at : end].decode()
        self.at = end + 1
        return found

    def new(self, kind: str, *parts: Any) -> Term:
        self.made += 1
        return (kind, self.made, *parts)

    def marked(self) -> list[Term]:
        start = self.marks.pop()
        self.stack, taken = self.stack[:start], self.stack[start:]
        return taken

    def step(self, opcode: bytes) -> None:
        stack = self.stack
        if opcode in _NUMBERS:
            stack.append(("value", self.number(_NUMBERS[opcode])))
        elif opcode in _STRINGS:
            text = self.take(self.number(_STRINGS[opcode]))
            stack.append(("value", text.decode("utf-8", "surrogatepass")))
        elif opcode in _CONSTANTS:
            stack.append(("value", _CONSTANTS[opcode]))
        elif opcode in _EMPTY:
            stack.append(self.new(_EMPTY[opcode], ()))
        elif opcode in _BYTES:
            content = self.take(self.number(_BYTES[opcode]))
            whole = int.from_bytes(content, "little", signed=True) if opcode == b"\x8a" else None
            stack.append(("value", whole) if opcode == b"\x8a" else ("other",))
        elif opcode in _TUPLES:
            count = _TUPLES[opcode]
            stack[-count:] = [self.new("tuple", tuple(stack[-count:]))]
        elif opcode in _GET:
            stack.append(self.memo[self.number(_GET[opcode])])
        elif opcode in _PUT:
            self.memo[self.number(_PUT[opcode])] = stack[-1]
        else:
            self.change(opcode)

    def change(self, opcode: bytes) -> None:
        stack = self.stack
        match opcode:
            case b"\x80":
                self.take(1)
            case b"\x95":
                self.take(8)
            case b"G":
                stack.append(("value", struct.unpack(">d", self.take(8))[0]))
            case b"(":
                self.marks.append(len(stack))
            case b"t":
                taken = self.marked()
                self.stack.append(self.new("tuple", tuple(taken)))
            case b"\x94":
                self.memo[len(self.memo)] = stack[-1]
            case b"0":
                stack.pop()
            case b"1" | b"\x90":
                self.marked()
            case b"\x91":
                self.marked()
                self.stack.append(("other",))
            case b"a":
                value = stack.pop()
                self.appended.setdefault(stack[-1][1], []).append(value)
            case b"e":
                taken = self.marked()
                self.appended.setdefault(self.stack[-1][1], []).extend(taken)
            case b"s":
                value, key = stack.pop(), stack.pop()
                self.assigned.setdefault(stack[-1][1], []).append((key, value))
            case b"u":
                taken = self.marked()
                pairs = zip(taken[::2], taken[1::2], strict=True)
                self.assigned.setdefault(self.stack[-1][1], []).extend(pairs)
            case b"c":
                stack.append(("name", self.line(), self.line()))
            case b"\x93":
                name, module = stack.pop(), stack.pop()
                stack.append(("name", module[1], name[1]))
            case b"R" | b"\x81":
                arguments, function = stack.pop(), stack.pop()
                stack.append(self.new("call", function, arguments))
            case b"\x92":
                del stack[-3:]
                stack.append(self.new("other"))
            case b"b":
                stack.pop()
            case b"Q":
                stack.append(("storage", stack.pop()))
            case _:
                raise Refusal(f"holds a pickle with the opcode {opcode!r}, which is in no table")

    def items(self, term: Term) -> dict[str, Term]:
        """Return what was assigned to a dict, by the keys that are strings."""
        is_dict = term[0] == "dict" or (term[0] == "call" and term[2] == ("name", *_ORDERED))
        if not is_dict:
            raise Refusal("holds a state dict that a second reading does not find")
        pairs = self.assigned.get(term[1], [])
        return {key[1]: value for key, value in pairs if key[0] == "value" and _is_text(key[1])}

    def item(self, term: Term, key: str) -> Term:
        if term[0] == "list":
            return self.appended[term[1]][int(key)]
        if term[0] == "tuple":
            item: Term = term[2][int(key)]
            return item
        return self.items(term)[key]

    def view(self, term: Term) -> View | None:
        """Return the tensor that a term stands for; None for any other value."""
        for _ in range(4):  # a parameter, or a tensor with attributes, around the tensor itself
            if term[0] != "call" or term[2][0] != "name" or term[3][0] != "tuple":
                return None
            function, arguments = term[2], term[3][2]
            if function[1] == "torch._tensor" and function[2] == "_rebuild_from_type_v2":
                term = self.new("call", arguments[0], arguments[2])
            elif function[1] == "torch._utils" and function[2].startswith("_rebuild_parameter"):
                term = arguments[0]
            else:
                break
        if function[1] != "torch._utils" or function[2] not in _REBUILD:
            return None
        storage, offset, size, stride = arguments[:4]
        _, of = storage
        _, kind, key, _, numel = of[2][:5]
        element = arguments[6] if function[2] == "_rebuild_tensor_v3" else kind
        lengths = tuple(part[1] for part in size[2]), tuple(part[1] for part in stride[2])
        return key[1], f"{element[1]}.{element[2]}", numel[1], offset[1], *lengths


def _is_text(value: object) -> bool:
    return type(value) is str


def differing(first: Mapping[str, View], second: Mapping[str, View]) -> list[str]:
    """Return the names of the tensors that two readings place differently, or one of them not."""
    return sorted(n for n in first.keys() | second.keys() if first.get(n) != second.get(n))
