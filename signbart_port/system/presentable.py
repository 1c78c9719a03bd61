"""Results that users save as files and see in notebooks."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from signbart_port.system.python_words import speaks_python

if TYPE_CHECKING:
    from pandas import DataFrame


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

    @speaks_python
    def to_dataframe(self) -> DataFrame:
        """Return the figures as a table of pandas: of a proof, a line for each output; of an
        evaluation, for each model.

        `share` is the error as a share of its limit, `alone` the error of the module alone, and
        `float64` that of the run in float64. Raises PortError if pandas is not installed.
        """
        table: DataFrame = import_module("signbart_port.report.dataframe").dataframe(self)
        return table

    def _repr_html_(self) -> str:
        html: str = import_module("signbart_port.report.notebook").fragment(self)
        return html
