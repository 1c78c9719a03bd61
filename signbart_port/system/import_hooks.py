"""Functions that run once a module is imported, be it before or after."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType


def when_imported(name: str, function: Callable[[], object]) -> None:
    """Call `function` after the top-level module `name` is imported; now if it is."""
    if name in sys.modules:
        function()
    else:
        sys.meta_path.insert(0, _Hook(name, function))


class _Hook(MetaPathFinder):
    """A finder of one module, as the others find it, that adds a step to its loading."""

    def __init__(self, name: str, function: Callable[[], object]) -> None:
        self.name, self.function = name, function

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)  # so that the others are asked
        try:
            spec = find_spec(fullname)
        finally:
            sys.meta_path.insert(0, self)  # a module that is looked for need not be imported
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            sys.meta_path.remove(self)
            self.function()

        setattr(spec.loader, "exec_module", exec_module)  # noqa: B010  of this loader alone
        return spec
