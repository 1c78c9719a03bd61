"""The keys of a pair's config as Python: a function that takes a config to a Keras model's
arguments.

It is written for whoever does not have this program, from the same declarations as those that
`Pair.keras_arguments` and `config_keys.findings` read.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import inspect
import math
import textwrap
from collections.abc import Iterator, Mapping, Set
from typing import Any

from signbart_port.errors import PortError, printable
from signbart_port.parity.config_keys import ABSENT, Key, Mapped, Required, SameAs
from signbart_port.parity.pair import Pair
from signbart_port.transfer.codegen import names


def config_function(pair: Pair) -> str:
    """Return `convert_backbone_config(transformers_config)`, after the functions that it calls.

    Empty where no key is mapped to an argument, or where the pair's own `keras_arguments` says more
    than is declared. Raises PortError for what cannot be written: a function in `derived` that
    uses anything but its argument, and values that are not plain.
    """
    keys, own = pair.keys, type(pair).keras_arguments is not Pair.keras_arguments
    if own or not any(isinstance(key, Mapped) and key.to for key in keys.values()):
        return ""
    try:
        functions = [_function(name, one) for name, one in pair.derived.items() if callable(one)]
        return "\n\n".join([*functions, "\n".join(_lines(pair, keys)) + "\n"])
    except ValueError as error:
        file = inspect.getfile(type(pair))
        raise PortError(file, f"no converter can be written of {error}") from None


def _lines(pair: Pair, keys: Mapping[str, Key]) -> Iterator[str]:
    yield "def convert_backbone_config(transformers_config):"
    yield "    config = {"
    yield from _entries({name: _literal(value) for name, value in _defaults(keys)})
    yield "        **transformers_config,"
    yield "    }"
    required = {name: key.values for name, key in keys.items() if isinstance(key, Required)}
    if required:
        yield "    required = {"
        yield from _entries({name: _literal(values) for name, values in required.items()})
        yield _REQUIRED
    same = {name: key.other for name, key in keys.items() if isinstance(key, SameAs)}
    if same:
        yield "    same = {"
        yield from _entries({name: _literal(other) for name, other in same.items()})
        yield _SAME
    yield "    return {"
    yield from _entries(
        {
            key.to: f"config[{names.string(name)}]"
            for name, key in keys.items()
            if isinstance(key, Mapped) and key.to
        }
    )
    yield from _entries(
        {
            name: f"{_DERIVE}{name}(config)" if callable(one) else _literal(one)
            for name, one in pair.derived.items()
        }
    )
    yield "    }"


_REQUIRED = """\
    }
    for name, values in required.items():
        if config.get(name, values[0]) not in values:
            known = " or ".join(map(repr, values))
            raise ValueError(
                f"{name} is {config[name]!r}: "
                f"the backbone computes {known} only"
            )"""
_SAME = """\
    }
    for name, other in same.items():
        if config.get(name, config[other]) != config[other]:
            raise ValueError(
                f"{name} is {config[name]!r}, {other} {config[other]!r}: "
                "the backbone has one for both"
            )"""
_DERIVE = "derive_"
_INDENT = "    "
_IMPORT = (ast.Import, ast.ImportFrom)


def _defaults(keys: Mapping[str, Key]) -> Iterator[tuple[str, Any]]:
    """Yield the values of keys that a config may lack, but for those that the checks know."""
    for name, key in keys.items():
        match key:
            case Mapped(default) | SameAs(_, default) | Required(_, default):
                if default is not ABSENT:
                    yield name, default


def _entries(items: Mapping[str, str]) -> Iterator[str]:
    for name, text in items.items():
        yield f"        {names.string(name)}: {text},"


def _function(argument: str, function: Any) -> str:
    """Return the source of a function, without annotations, under the name of its argument of the
    Keras model. Raises ValueError, saying which, for one that needs more than its own text."""
    what, node, source = f"{argument!r} in `derived`: ", None, ""
    if inspect.isfunction(function):
        with contextlib.suppress(OSError, SyntaxError):  # typed into a session, or a lambda
            source = textwrap.dedent(inspect.getsource(function))
            node = ast.parse(source).body[0]
    if not isinstance(node, ast.FunctionDef) or node.decorator_list:
        raise ValueError(f"{what}it is no function of a file, written with `def` alone")
    if len(node.args.args) != 1 or len(inspect.signature(function).parameters) != 1:
        raise ValueError(f"{what}its function takes more than the config")
    if needed := sorted(_needed(node, function.__globals__.keys())):
        raise ValueError(f"{what}its function uses {printable(needed[0], 40)}, not the config only")
    start = node.body[0]
    lines = source.splitlines()[start.lineno - 1 : node.end_lineno]
    before, first = lines[0][: start.col_offset], lines[0][start.col_offset :]
    lines[0] = f"{before if before.isspace() else _INDENT}{first}"
    return "\n".join([f"def {_DERIVE}{argument}({node.args.args[0].arg}):", *lines, ""])


def _needed(node: ast.FunctionDef, of_module: Set[str]) -> set[str]:
    """Return what a function has from elsewhere: names that it does not bind, but for Python's own
    where its module has no others, and imports."""
    inside = [one for statement in node.body for one in ast.walk(statement)]
    named = [one for one in inside if isinstance(one, ast.Name)]
    bound = {one.id for one in named if isinstance(one.ctx, ast.Store)}
    bound |= {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}
    free = {one.id for one in named} - bound - (vars(builtins).keys() - of_module)
    return free | {ast.unparse(one) for one in inside if isinstance(one, _IMPORT)}


def _literal(value: Any) -> str:
    """Return a plain value as Python. Raises ValueError for one that is not."""
    match value:
        case str():
            return names.string(value)
        case None | bool() | int():
            return repr(value)
        case float() if math.isfinite(value):
            return repr(value)
        case list():
            return f"[{', '.join(map(_literal, value))}]"
        case tuple():
            items = ", ".join(map(_literal, value))
            return f"({items}{',' if len(value) == 1 else ''})"
        case dict():
            pairs = (f"{_literal(key)}: {_literal(one)}" for key, one in value.items())
            return f"{{{', '.join(pairs)}}}"
    raise ValueError(f"the value {printable(repr(value), 40)}, which is not plain")
