"""Results that users save as files and see in notebooks."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from signbart_port.system.python_words import speaks_python


class Presentable:
    """A result that `signbart_port.report` can present.

    Results are made on the floors below that room, which is therefore imported by its name, and
    not before a user asks for it.
    """

    @speaks_python
    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the result to `path` as the command line writes reports: a page to read (.html), or
        data (.json).

        `force` replaces an existing file. Raises PortError for another suffix, an existing file, or
        a folder that cannot be written to.
        """
        import_module("signbart_port.report").write(path, self, force=force)

    def _repr_html_(self) -> str:
        html: str = import_module("signbart_port.report.notebook").fragment(self)
        return html
