"""Packages whose public names are imported when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from signbart_port.system.packages import not_installed


def lazy_package(
    package: str,
    homes: Mapping[str, str],
    given: Callable[[Any], Any] = lambda value: value,
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make `__getattr__` and `__dir__` of `package` (PEP 562) from the module of each name.

    Each is given out as `given` returns it. One whose module needs a package that is not installed
    raises PortError.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = import_module(homes[name])
        except ModuleNotFoundError as error:
            raise not_installed(error) or error from None
        value = given(getattr(module, name))
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted(homes)

    return get, names
