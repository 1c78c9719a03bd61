"""The option --report of several verbs: a result as a file, a proof whether it holds or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from signbart_port.cli import _show
from signbart_port.errors import PortError, ProofError

if TYPE_CHECKING:
    from signbart_port.evaluation.result import Evaluation
    from signbart_port.parity.report import Report


@dataclass(frozen=True)
class ReportFile:
    """The file that the report goes to, if one is requested.

    `inputs` are the files that it must not replace; a None among them is one that was not given.
    """

    path: Path | None
    force: bool
    inputs: tuple[str | Path | None, ...]
    silent: bool

    def check(self, *, proof: bool = True) -> None:
        """Refuse, before any work, what `write` would refuse, and a report where there will be no
        `proof`.

        Raises PortError.
        """
        if self.path is not None:
            if not proof:
                what = "--report is of the proof that --no-verify skips"
                raise PortError(None, what, "Leave one out")
            from signbart_port import report as files

            files.check(self.path, force=self.force, inputs=filter(None, self.inputs))

    def write(self, report: Report | Evaluation) -> None:
        """Write it and say where.

        Of a proof that failed, less is lost with its report than with its exit code: a file that
        cannot be written is a warning then, else a PortError.
        """
        try:
            self._write(report)
        except PortError as refusal:
            from signbart_port.parity.report import Report

            if not isinstance(report, Report) or report.passed:
                raise
            _show.warn(str(refusal))

    def _write(self, report: Report | Evaluation) -> None:
        if self.path is not None:
            from signbart_port import report as files

            files.write(self.path, report, force=self.force, inputs=filter(None, self.inputs))
            if not self.silent:
                # As wide as the labels that stand above it.
                _show.facts([("report ", _show.written(self.path))])

    @contextmanager
    def of_failure(self) -> Iterator[None]:
        """Write the report of a ProofError that is raised inside."""
        try:
            yield
        except ProofError as error:
            if error.report is not None:
                self.write(error.report)
            raise
