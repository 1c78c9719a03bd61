"""The part of `verify` that compares the two implementations of a pair, and no files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from signbart_port.cli import _options, _show
from signbart_port.cli._report_file import ReportFile
from signbart_port.errors import ExitCode, PortError, printable

if TYPE_CHECKING:
    from signbart_port.verbs.vary_pair import Variation, Variations


_TAKEN = {"perturb", "vary", "pair", "config", "weights", "force", "json", "quiet"}
_OF_CONFIG = ("heads", "joints", "layout")


def check_options(context: typer.Context, option: str, b: Path | None, *taken: str) -> None:
    """Raise PortError for what `--perturb` or `--vary` does not take beside it: all but those that
    both take, and those `taken` here."""
    if b is not None:
        what = f"{option} builds both models itself, and takes one checkpoint at most"
        raise PortError(b, what, "Leave it out")
    for one in _options.others(context, _TAKEN | {*taken}):
        what = f"{one.opts[0]} cannot be combined with {option}"
        raise PortError(None, what, "Say it in the --config FILE" if one.name in _OF_CONFIG else "")


def perturb(
    checkpoint: Path | None,
    pair: str | None,
    config: str | None,
    weights: str | None,
    *,
    report: Path | None,
    force: bool,
    every_module: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Compare both implementations on one config, and print the verdict."""
    from signbart_port.verbs.prove_pair import prove_pair

    file = ReportFile(report, force, (checkpoint, config), silent=quiet or json)
    file.check()
    with _show.steps(quiet or json) as progress:
        found = prove_pair(
            pair, config=config, checkpoint=checkpoint, weights=weights, progress=progress
        )
    _show.compared(found, file, every_module=every_module, json=json, quiet=quiet)


def vary(
    checkpoint: Path | None,
    pair: str | None,
    config: str | None,
    weights: str | None,
    *,
    json: bool,
    quiet: bool,
) -> None:
    """Compare both implementations on many configs, and print a line for each.

    Raises typer.Exit where one of them differs.
    """
    from signbart_port.verbs.vary_pair import vary_pair

    with _show.steps(quiet or json) as progress:
        found = vary_pair(
            pair, config=config, checkpoint=checkpoint, weights=weights, progress=progress
        )
    if json:
        _show.as_json(found.as_dict())
    elif not quiet:
        _print(found)
    if not found.passed:
        if quiet:
            for row in found.rows:
                if not row.passed:
                    said = f"{found.pair}, {row.name}: {row.word}: {row.why}"
                    _show.warn(printable(said, _show.LONGEST))
        raise typer.Exit(ExitCode.PROOF_FAILED)


def _print(found: Variations) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=escape(printable(f"{found.pair} in Keras against PyTorch, config: {found.origin}")),
        title_justify="left",
    )
    table.add_column("config")
    table.add_column("in float64", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("why")
    for row in found.rows:
        why = escape(printable(row.why, 300))
        table.add_row(escape(row.name), _in_float64(row), _show.colored(row.word), why)
    _show.whole(table)
    color = "green" if found.passed else "bold red"
    _show.out().print(f"[{color}]{escape(found.sentence())}[/]")


def _in_float64(row: Variation) -> str:
    """Return how far the outputs in float64 are at most, relative to their largest value."""
    error = row.report.structure_error if row.report else None
    return "" if error is None else f"{error:.1e}"
