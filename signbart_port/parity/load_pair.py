"""Pairs by their place: a Python file that the user names, or the name of an installed one.

A pair's file is a program. It runs where its path or its installed name is given on the command
line or in a call, never because a file names it.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import secrets
import sys
import traceback
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from signbart_port.errors import PortError, first_of, printable
from signbart_port.parity.pair import Pair
from signbart_port.system import digest

GROUP = "signbart_port.pairs"
"""The entry points of installed pairs."""
_MODULE = "signbart_port_pair_"
_READ = "__signbart_port_read__"
_FILE = re.compile(r"(?P<path>.*\.py)(:(?P<name>[^:/\\]*))?", re.DOTALL)


@dataclass(frozen=True)
class LoadedPair:
    """A pair, and what a provenance says of it."""

    pair: Pair
    name: str
    """The file and the class, or the name of an installed pair."""
    sha256: str
    """The digest of its file."""

    @property
    def place(self) -> str:
        """Where another process imports it."""
        return place_of(self.pair)

    @cached_property
    def program(self) -> str:
        """What a process that is kept for it has run, and no other's: a file that the user has
        named imports others, which may have changed when it is loaded again."""
        of_file = type(self.pair).__module__.startswith(_MODULE)
        return secrets.token_hex() if of_file else self.place


def installed() -> list[str]:
    """Return the names of the installed pairs, without importing them."""
    return sorted(installed_classes())


def installed_classes() -> dict[str, str]:
    """Return where the class of every installed pair is, by name, without importing them."""
    entries = sorted(metadata.entry_points(group=GROUP), key=lambda entry: entry.name)
    return {entry.name: entry.value for entry in entries}


def is_file(source: str) -> bool:
    """Return whether a pair is given by its file, and not by the name of an installed one."""
    return _FILE.fullmatch(source) is not None


def load_pair(source: str | Pair) -> LoadedPair:
    """Load a pair: `FILE.py`, `FILE.py:NAME`, the name of an installed one, or an object.

    Raises PortError for a file that is missing or cannot be run, and for what is no pair in it.
    """
    if isinstance(source, Pair):
        if type(source).__module__ == "__main__" or "<locals>" in type(source).__qualname__:
            what = "is a class of this session, which no other process can import"
            raise PortError(type(source).__name__, what, "Put it into a file, and give FILE.py")
        return LoadedPair(source, type(source).__name__, _digest(source))
    if found := _FILE.fullmatch(source):
        path = Path(found["path"])
        pair = _of_class(_chosen(path, _run(path), found["name"]), path)
        return LoadedPair(pair, f"{path.name}:{type(pair).__name__}", digest.of_file(path))
    entries = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
    if source not in entries:
        raise PortError(
            source,
            "neither FILE.py nor an installed pair",
            f"Installed: {', '.join(sorted(entries)) or 'none'}",
        )
    try:
        pair = _of_class(entries[source].load(), source)
    except ImportError as error:
        raise PortError(source, f"cannot be imported ({printable(error)})") from None
    return LoadedPair(pair, source, _digest(pair))


def place_of(pair: Pair) -> str:
    """Return where another process imports the class of `pair`: `package.module:Class`, or
    `/path/file.py:Class`."""
    name = type(pair).__module__
    if name.startswith(_MODULE):
        name = inspect.getfile(type(pair))
    return f"{name}:{type(pair).__qualname__}"


def import_pair(place: str) -> Pair:
    """Import the class at `place` and make a pair of it."""
    module, _, name = place.rpartition(":")
    of = _run(Path(module)) if module.endswith(".py") else import_module(module)
    pair: Pair = getattr(of, name)()
    return pair


def _run(path: Path) -> ModuleType:
    """Run a pair's file, once in a process; its own folder is the last that imports look in."""
    path = path.resolve()
    if not path.is_file():
        raise PortError(path, "there is no such file" if not path.exists() else "is no file")
    name, read = f"{_MODULE}{path.stem}", digest.of_file(path)
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, _READ, None) == (path, read):
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    sys.modules[name] = module
    setattr(module, _READ, (path, read))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        lines = [
            f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)
        ]
        where = f"line {lines[-1]}: " if lines else ""
        said = f"{type(error).__name__}: {printable(error)}"
        raise PortError(path, f"{where}cannot be run ({said})") from error
    return module


def _chosen(path: Path, module: ModuleType, name: str | None) -> Any:
    pairs = {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Pair)
        and value.__module__ == module.__name__
    }
    if name:
        if name not in pairs:
            known = first_of(list(pairs), 8) or "none"
            raise PortError(path, f"has no pair {printable(name, 40)}", f"It has: {known}")
        return pairs[name]
    if len(pairs) != 1:
        known = first_of(list(pairs), 8) or "none"
        what = f"has {len(pairs)} subclasses of signbart_port.Pair ({known})"
        raise PortError(path, what, f"Name one: {path.name}:NAME")
    return next(iter(pairs.values()))


def _of_class(found: Any, path: str | Path) -> Pair:
    if not (isinstance(found, type) and issubclass(found, Pair)):
        raise PortError(path, "is no subclass of signbart_port.Pair")
    try:
        return found()
    except Exception as error:
        said = f"{type(error).__name__}: {printable(error)}"
        raise PortError(path, f"{found.__name__}() fails ({said})") from error


def _digest(pair: Pair) -> str:
    return digest.of_file(Path(inspect.getfile(type(pair))))
