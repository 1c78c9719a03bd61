"""A converter in the style of keras-hub's `utils/transformers/convert_*.py`, of a mapping.

A function for each kind of layer, a call for each rule: the converter reads like the mapping. Loops
over layers go by an attribute of the backbone, `num_` and the size's name in the mapping.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from signbart_port.errors import PortError, printable
from signbart_port.transfer.codegen import helpers, names
from signbart_port.transfer.codegen.hooks import SHAPE, TENSOR, UnknownLength, hook
from signbart_port.transfer.mapping import OWN, PLACEHOLDER, Fill, Join, Leaf, Rule, WeightMapping

_WIDEST = 80  # a line of keras-hub
_INDENT = "    "
_LAYERS = "num_"


@dataclass(frozen=True)
class _Kind:
    """A kind of layer as a function, for the rules that call it alike."""

    name: str
    own_torch: bool  # whether its tensors have no module's path before their names
    own_keras: bool

    @classmethod
    def of(cls, rule: Rule) -> _Kind:
        return cls(rule.kind, rule.torch == OWN, rule.keras == OWN)


@dataclass(frozen=True)
class _Call:
    """A call, with several items in an argument that is a list."""

    function: str
    arguments: Sequence[str | Sequence[str]]

    def lines(self, indent: str) -> Iterator[str]:
        yield f"{indent}{self.function}("
        for argument in self.arguments:
            yield from _argument(argument, indent + _INDENT)
        yield f"{indent})"


def converter(mapping: WeightMapping, config: str = "") -> str:
    """Return the converter of a mapping, a Python module; `config` is the source of its function
    for configs, if any.

    Raises PortError, naming the line, for what cannot be written so.
    """
    mapping.check_settled()
    return _Writer(mapping).module(config)


class _Writer:
    def __init__(self, mapping: WeightMapping) -> None:
        self.mapping = mapping
        self.kinds = {_Kind.of(rule): rule for rule in reversed(mapping.rules)}
        order = dict.fromkeys(map(_Kind.of, mapping.rules))
        self.functions = names.functions({kind: kind.name for kind in order})
        self.helpers: dict[str, None] = {}

    def module(self, config: str) -> str:
        weights = "\n".join([_SIGNATURE, *self._kinds(), *self._rules(), *self._left()])
        source = "\n\n".join(filter(None, [config, *self.helpers, weights]))
        needed = [name for text, name in helpers.IMPORTS.items() if text in source]
        imports = "".join(f"import {name}\n" for name in sorted(needed)) + ("\n" if needed else "")
        return f"{self._docstring(config)}\n{imports}import numpy as np\n\n\n{source}\n"

    def _docstring(self, config: str) -> str:
        of = names.string(printable(self.mapping.path.name, 80))[1:-1]
        what, keys = ("", " and the keys of its pair") if config else ("the weights of ", "")
        return (
            f'"""Port {what}a checkpoint to a KerasHub backbone.\n\n'
            f"Made of the mapping {of}{keys} by signbart-port.\n"
            f'(SHA-256 {self.mapping.sha256}).\n"""\n'
        )

    def _kinds(self) -> Iterator[str]:
        for kind, function in self.functions.items():
            rule = self.kinds[kind]
            given = [] if kind.own_keras else ["keras"]
            given += [] if kind.own_torch else ["hf"]
            given += self._within(rule)
            yield f"\n{_INDENT}def {function}({', '.join(given)}):"
            for call in self._calls(kind, rule):
                yield from call.lines(_INDENT * 2)

    def _within(self, rule: Rule) -> list[str]:
        """Return the loop variables that the names of a kind's own tensors need."""
        tensors: tuple[Leaf | Fill, ...] = (*rule.leaves, *rule.fills)
        text = "".join(tensor.torch + tensor.keras for tensor in tensors)
        found = []
        for name in dict.fromkeys(PLACEHOLDER.findall(text)):
            found += self._variables(name)
        return found

    def _calls(self, kind: _Kind, rule: Rule) -> Iterator[_Call]:
        leaves = list(rule.leaves)
        while leaves:
            count = leaves[0].share.count if leaves[0].share else 1
            group, leaves = leaves[:count], leaves[count:]
            yield from self._ported(kind, group)
        for fill in rule.fills:
            yield self._filled(kind, fill)

    def _ported(self, kind: _Kind, group: Sequence[Leaf]) -> Iterator[_Call]:
        leaf, share = group[0], group[0].share
        variables = [self._variable(kind, one) for one in group]
        keys = [self._key(kind, one) for one in group]
        hooked = self._hook(leaf)
        if share is None or (share.join is Join.TIE and not share.of_keras):
            for variable, key in zip(variables, keys, strict=True):
                given = [f"keras_variable={variable}", f"hf_weight_key={key}", *hooked]
                yield _Call("loader.port_weight", given)
            return
        function = self._helper(_SEVERAL[share.join, share.of_keras])
        several = [variables[0], keys] if share.of_keras else [variables, keys[0]]
        axis = [f"axis={share.axis}"] if share.placed else []
        yield _Call(function, ["loader", *several, *axis, *hooked])

    def _hook(self, leaf: Leaf) -> list[str]:
        try:
            expression = hook(leaf)
        except UnknownLength as error:
            raise PortError(
                self.mapping.path,
                f"line {leaf.line}: no shape tells the size of the axis {error} by itself",
                "A converter is written where one of the two sides has the axis alone",
            ) from None
        shape = SHAPE if SHAPE in expression else "_"
        return [f"hook_fn=lambda {TENSOR}, {shape}: {expression}"] if expression else []

    def _filled(self, kind: _Kind, fill: Fill) -> _Call:
        if not fill.keras:
            function = self._helper(helpers.CONSTANT)
            return _Call(function, ["loader", self._key(kind, fill), repr(fill.value)])
        variable = self._variable(kind, fill)
        return _Call(f"{variable}.assign", [f"np.full({variable}.shape, {fill.value!r})"])

    def _helper(self, text: str) -> str:
        self.helpers[text] = None
        return text.removeprefix("def ").partition("(")[0]

    def _variable(self, kind: _Kind, one: Leaf | Fill) -> str:
        if kind.own_keras:
            return f"variables[{names.pattern(one.keras, self._of_keras)}]"
        return f"variables[{names.pattern(f'/{one.keras}', self._of_keras, 'keras')}]"

    def _key(self, kind: _Kind, one: Leaf | Fill) -> str:
        if kind.own_torch:
            return names.pattern(one.torch, self._of_torch)
        if not one.torch:
            return "hf"
        return names.pattern(f".{one.torch}", self._of_torch, "hf")

    def _rules(self) -> Iterator[str]:
        for looped, rules in groupby(self.mapping.rules, lambda rule: _placeholders(rule)):
            yield ""
            for depth, name in enumerate(looped, 1):
                yield f"{_INDENT * depth}for {self._loop(name)}:"
            indent = _INDENT * (len(looped) + 1)
            for rule in rules:
                kind = _Kind.of(rule)
                given = [] if kind.own_keras else [names.pattern(rule.keras, self._of_keras)]
                path = self.mapping.in_file(rule.torch)
                given += [] if kind.own_torch else [names.pattern(path, self._of_torch)]
                given += self._within(rule)
                line = f"{indent}{self.functions[kind]}({', '.join(given)})"
                if len(line) <= _WIDEST:
                    yield line
                else:
                    yield from _Call(self.functions[kind], given).lines(indent)

    def _left(self) -> Iterator[str]:
        """Yield comments on what no rule moves, with the reasons of the mapping."""
        left = [("Not read", one) for one in self.mapping.ignored_torch]
        left += [("As it was", one) for one in self.mapping.ignored_keras]
        if left:
            yield ""
        for what, ignored in left:
            said = printable(f"{self.mapping.in_file(ignored.match)}: {ignored.why}", 200)
            yield f"{_INDENT}# {what}: {names.string(said)[1:-1]}"

    def _loop(self, placeholder: str) -> str:
        axis, variables = self.mapping.axes[placeholder], self._variables(placeholder)
        if axis.range:
            return f"{variables[0]} in range(backbone.{self._count(axis.range, axis.line)})"
        each = [names.string(value) for value in axis.values]
        if axis.keras:
            both = zip(each, map(names.string, axis.keras), strict=True)
            each = [f"({torch}, {keras})" for torch, keras in both]
        return f"{', '.join(variables)} in ({', '.join(each)}{',' if len(each) == 1 else ''})"

    def _count(self, size: str, line: int) -> str:
        attribute = size if size.startswith(_LAYERS) else f"{_LAYERS}{size}"
        if not attribute.isidentifier():
            what = f"line {line}: {printable(size, 40)!r} is no name of an attribute"
            raise PortError(self.mapping.path, what)
        return attribute

    def _variables(self, placeholder: str) -> list[str]:
        """Return the loop variables of a placeholder: Keras' too, where its names are others."""
        variable = names.variable(placeholder)
        return [variable, *([f"keras_{variable}"] if self.mapping.axes[placeholder].keras else [])]

    def _of_torch(self, placeholder: str) -> str:
        return self._numbered(placeholder, self.mapping.axes[placeholder].start)

    def _of_keras(self, placeholder: str) -> str:
        axis = self.mapping.axes[placeholder]
        return self._variables(placeholder)[-1 if axis.keras else 0] + (
            f" + {axis.keras_start}" if axis.keras_start else ""
        )

    def _numbered(self, placeholder: str, start: int) -> str:
        return names.variable(placeholder) + (f" + {start}" if start else "")


_SIGNATURE = """\
def convert_weights(backbone, loader, transformers_config):
    variables = {variable.path: variable for variable in backbone.weights}"""

_SEVERAL = {
    (Join.CONCAT, False): helpers.SPLIT,
    (Join.STACK, False): helpers.UNSTACK,
    (Join.CONCAT, True): helpers.CONCAT,
    (Join.STACK, True): helpers.STACK,
    (Join.SUM, True): helpers.SUM,
    (Join.TIE, True): helpers.TIED,
}
"""What ports several tensors, by how they are one and whether the one is Keras'."""


def _placeholders(rule: Rule) -> tuple[str, ...]:
    return tuple(dict.fromkeys(PLACEHOLDER.findall(rule.pattern)))


def _argument(argument: str | Sequence[str], indent: str) -> Iterator[str]:
    """Yield the lines of an argument: the items of a list, and what a lambda returns, on lines of
    their own where they are too long for one."""
    whole = argument if isinstance(argument, str) else f"[{', '.join(argument)}]"
    head, colon, returned = whole.partition(": ")
    brackets, inner = ("[", "],"), argument
    if isinstance(argument, str):
        brackets, inner = (f"{head}{colon}(", "),"), [returned]
    if len(indent) + len(whole) < _WIDEST or not (returned or inner is argument):
        yield f"{indent}{whole},"
        return
    yield f"{indent}{brackets[0]}"
    yield from (f"{indent}{_INDENT}{one}{',' * (inner is argument)}" for one in inner)
    yield f"{indent}{brackets[1]}"
