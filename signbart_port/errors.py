"""The errors of this program: input that cannot be used, and a proof that failed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signbart_port.parity.report import Report

_LONGEST = 200
_LONGEST_LINE = 2000  # of a message: it may list findings, whose names are shortened before


class ExitCode(IntEnum):
    """The exit codes of every verb."""

    OK = 0
    PROOF_FAILED = 1
    BAD_INPUT = 2
    DEFECT = 70


def printable(text: object, longest: int = _LONGEST) -> str:
    """Return `text` on one line, safe for a terminal: control characters escaped, the middle of
    long text cut."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
    if len(line) <= longest:
        return line
    half = longest // 2
    return f"{line[:half]}…{line[-half:]} ({len(line):,} characters)"


def first_of(names: Sequence[object], most: int) -> str:
    """Join the first names, each printable, and count those that are left out."""
    shown = ", ".join(printable(name, 40) for name in names[:most])
    return shown + (f" and {len(names) - most:,} more" if names[most:] else "")


def listed(names: Sequence[str]) -> str:
    """Join names as a sentence does: "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


class _OneLineError(Exception):
    """An error whose line says it all."""

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows of the error: IPython asks for it by this name."""
        return [f"{type(self).__name__}: {self}"]


class PortError(_OneLineError):
    """Input that cannot be used: exit code 2.

    Reads as one line: the file, what is wrong, what to do.
    """

    def __init__(self, path: str | os.PathLike[str] | None, what: str, hint: str = "") -> None:
        self.path, self.what, self.hint = path, what, hint
        super().__init__(self._line())

    def reword(self, change: Callable[[str], str]) -> None:
        """Change the words in place, and not the name of the file."""
        self.what, self.hint = change(self.what), change(self.hint)
        self.args = (self._line(),)

    def _line(self) -> str:
        where = "" if self.path is None else f"{printable(os.fspath(self.path))}: "
        hint = f". {self.hint}" if self.hint else ""
        return printable(f"{where}{self.what}{hint}", _LONGEST_LINE)


class ProofError(_OneLineError):
    """Two models that should be equal are not: exit code 1, and no file is left behind.

    Reads as one line. `report` is what was compared, where it came to that.
    """

    def __init__(self, message: str, report: Report | None = None) -> None:
        super().__init__(printable(message, _LONGEST_LINE))
        self.report = report
        """The report of what was compared."""
