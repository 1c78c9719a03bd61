"""The display of results: tables on stdout, steps on stderr.

The functions import what they draw with: every command file imports this one, and `--help` and a
.tflite's `predict` print without it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signbart_port.errors import ExitCode, printable
from signbart_port.system.bidi import LEFT_TO_RIGHT_MARK, RIGHT_TO_LEFT

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from signbart_port.cli._report_file import ReportFile
    from signbart_port.parity.report import Report

_LONGEST_LABEL = 40
_TERMINAL = 80  # characters
LONGEST = 10_000  # characters of a line


@cache
def out() -> Console:
    """Return the console of stdout."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True, emoji=False)


@contextmanager
def steps(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the current step on stderr, while stderr itself is held back."""
    from rich.console import Console
    from rich.markup import escape

    with os.fdopen(os.dup(2), "w") as stderr:
        console = Console(file=stderr, highlight=False, emoji=False, quiet=quiet)
        with console.status("Starting") as status:
            yield lambda step: status.update(escape(step))


def warn(message: str, to: Console | None = None) -> None:
    """Print a warning to stderr, even if everything else is silenced."""
    from rich.console import Console
    from rich.text import Text

    console = to or Console(stderr=True, highlight=False)
    console.print(Text(message, "bold yellow"), soft_wrap=True)


def cautions(said: Sequence[str], to: Console | None = None) -> None:
    """Say what must be known of the result, whatever else is silenced."""
    for caution in dict.fromkeys(said):
        warn(printable(caution, LONGEST), to)


def as_json(data: dict[str, Any], *, lines: bool = True) -> None:
    """Print strict JSON, on several `lines` or on one: what is not finite becomes null."""
    from signbart_port.report.document import strict_json

    print(strict_json(data, lines=lines))


def facts(rows: Sequence[tuple[str, str]]) -> None:
    """Print labeled lines.

    Not a table: digests and paths must survive being copied.
    """
    from rich.markup import escape

    shown = [(printable(label, _LONGEST_LABEL), text) for label, text in rows]
    width = max(len(label) for label, _ in shown)
    for label, text in shown:
        out().print(f"[dim]{escape(f'{label:<{width}}')}[/]  {escape(printable(text, LONGEST))}")


def cell(name: str) -> str:
    """Return a name for a cell of a table, escaped, that leaves the digits beside it in order."""
    from rich.markup import escape

    mark = LEFT_TO_RIGHT_MARK if RIGHT_TO_LEFT.search(name) else ""
    return escape(printable(name)) + mark


def whole(table: Table) -> None:
    """Print a table whose columns may wrap where they are not figures: in a narrow terminal it is
    80 characters wide, and no figure is cut. In a file nothing wraps, so that names are found."""
    widest = max(_TERMINAL, out().width) if out().is_terminal else LONGEST
    options = out().options.update(max_width=LONGEST)
    table.width = min(widest, out().measure(table, options=options).maximum)
    out().print(table)


def labeled(label: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield rows for `facts`: the lines, or "none", the first with the label."""
    if lines or label:
        first, *rest = lines or ["none"]
        yield label, first
        yield from (("", line) for line in rest)


def first_of(names: Sequence[str], most: int = 10) -> str:
    """Join the first names, with dots where there are more."""
    return ", ".join(names[:most]) + (" ..." if len(names) > most else "")


def logits(reports: Sequence[Report]) -> None:
    """Print comparisons of the logits alone, and of the graph of a rounded file, one per length."""
    from rich.table import Table

    first = reports[0]
    table = Table(
        title=f"{_title(first)}: logits of {len(first.clips)} synthetic clips,"
        " largest error against float64",
        title_justify="left",
    )
    graph = ["graph"] if len(first.rows) > 1 else []
    for name in ("frames", "error", "Keras float32", "limit", *graph, "same class", "verdict"):
        table.add_column(name, justify="right", no_wrap=True)
    for report in reports:
        row = report.logits
        figures = [row.error, row.noise, row.limit, *(r.error for r in report.rows[:-1])]
        table.add_row(
            str(report.frames),
            *(f"{figure:.1e}" for figure in figures),
            "{} of {}".format(*report.agreement),
            colored(report.word(report.rows)),
        )
    whole(table)


def compared(
    found: Report, file: ReportFile, *, every_module: bool, json: bool, quiet: bool
) -> None:
    """Print a comparison, write its report, and end with exit code 1 where the two differ."""
    from typer import Exit

    if json:
        as_json(found.as_dict())
    elif not quiet:
        parity(found, every_module, said=found.cautions)
    cautions(found.cautions)
    file.write(found)
    if not found.passed:
        if quiet:
            names = f"{found.candidate} against {found.reference}"
            warn(printable(f"NOT EQUAL: {names}: {found.verdict()}", 1000))
        raise Exit(ExitCode.PROOF_FAILED)


def parity(
    report: Report, every_module: bool = False, *, notes: bool = True, said: Sequence[str] = ()
) -> None:
    """Print the comparison as a table, by block of the model or module by module, the verdict, and
    the notes but for those that are `said` on stderr."""
    from rich.markup import escape
    from rich.table import Table

    from signbart_port.parity import blocks

    table = Table(
        title=f"{_title(report)}: {report.inputs}, largest error against float64",
        title_justify="left",
    )
    table.add_column("module" if every_module else "block", overflow="fold")
    for name in blocks.head(report):
        table.add_column(name, justify="right", no_wrap=True)
    for *cells, verdict in blocks.table(report, every_module):
        table.add_row(*cells, colored(verdict))
    whole(table)
    same, of = report.agreement
    classes = f"; same class for {same} of {of} synthetic clips" if of else ""
    color = "green" if report.passed else "bold red"
    out().print(f"[{color}]{escape(report.verdict())}[/]{classes}")
    if report.same_structure:  # else the verdict has it
        out().print(f"in float64 too: {escape(report.structure_sentence())}")
    if not notes:
        return
    if report.weights and report.weights.passed:  # else the verdict has it
        out().print(escape(printable(report.weights.sentence(), LONGEST)))
    for change in _roundings(report):
        out().print(escape(printable(change, LONGEST)))
    for note in report.notes:
        if note not in said:
            out().print(f"[dim]{escape(printable(note, LONGEST))}[/]")


def _roundings(report: Report) -> list[str]:
    """Describe how much of a source with more precision than float32 was rounded away."""
    rounded = report.weights.rounded if report.weights else ()
    if not rounded:
        return []
    changed, values = sum(r.values for r in rounded), sum(r.of for r in rounded)
    worst = max(rounded, key=lambda r: r.largest)
    return [
        f"rounded from {worst.dtype}: {changed:,} of {values:,} values in {len(rounded)} tensors"
        f" changed, by at most {worst.largest:.3g} ({worst.name})"
    ]


def _title(report: Report) -> str:
    from rich.markup import escape

    return escape(printable(f"{report.candidate} against {report.reference}"))


def colored(verdict: str) -> str:
    """Return a verdict in its color."""
    return f"[{_COLORS[verdict]}]{verdict}[/]"


_COLORS = {
    "equal": "green",
    "not judged": "yellow",
    "refused": "yellow",
    "WRONG": "bold red",
    "cannot be compared": "bold red",
}


def bytes_of(size: int) -> str:
    """Format a size for the user."""
    from signbart_port.report import document

    return document.bytes_of(size)


def written(path: Path) -> str:
    """Describe a file that was just written, with its size."""
    return f"{path} ({bytes_of(path.stat().st_size)})"
