"""The part of `convert`, `export` and `verify` that takes a pair of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from signbart_port.cli import _options, _show
from signbart_port.cli._report_file import ReportFile
from signbart_port.errors import PortError

if TYPE_CHECKING:
    from signbart_port.verbs.convert_pair import PairConverted


_TAKEN = {"pair", "config", "out", "weights", "report", "force", "every_module", "json", "quiet"}
_TAKEN |= {"hf_token", "max_download"}


def check_options(context: typer.Context, *taken: str) -> None:
    """Raise PortError for an option on the command line that says something of SignBART, where a
    pair is given: all but those that every command takes beside a pair, and those `taken` here."""
    for one in _options.others(context, _TAKEN | {*taken}):
        raise PortError(None, f"{one.opts[0]} is of SignBART, and --pair names other models")


def only(paths: Sequence[Path]) -> Path:
    """Return the one model that is given."""
    if len(paths) > 1:
        raise PortError(None, "--pair takes one model at a time")
    return paths[0]


def convert(
    checkpoint: Path,
    pair: str,
    out: Path | None,
    config: str | None,
    weights: str | None,
    *,
    verify: bool,
    report: Path | None,
    force: bool,
    every_module: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Convert a checkpoint of a pair, and print the result."""
    from signbart_port.verbs.convert_pair import convert_pair

    file = ReportFile(report, force, (checkpoint, config), silent=quiet or json)
    file.check(proof=verify)
    with file.of_failure(), _show.steps(quiet or json) as progress:
        done = convert_pair(
            checkpoint,
            pair,
            out,
            config=config,
            weights=weights,
            verify=verify,
            force=force,
            progress=progress,
        )
    if json:
        _show.as_json(_as_dict(done))
    elif not quiet:
        _print(done, every_module)
    unproven = f"NOT PROVEN: {done.out} was not compared with PyTorch (--no-verify)"
    _show.cautions([*done.cautions, *([] if done.report else [unproven])])
    if done.report:
        file.write(done.report)


def export(
    model: Path,
    pair: str,
    out: Path | None,
    config: str | None,
    *,
    report: Path | None,
    force: bool,
    every_module: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Carry a Keras file of a pair back, and print the result."""
    from signbart_port.verbs.export_pair import export_pair

    file = ReportFile(report, force, (model, config), silent=quiet or json)
    file.check()
    with file.of_failure(), _show.steps(quiet or json) as progress:
        done = export_pair(model, pair, out, config=config, force=force, progress=progress)
    if json:
        said = {"out": str(done.out), "source": str(done.source), "pair": done.pair}
        counted = {"tensors": done.tensors, "left": done.left, "cautions": done.cautions}
        _show.as_json({**said, **counted, "report": done.report.as_dict()})
    elif not quiet:
        _show.parity(done.report, every_module, said=done.cautions)
        _show.facts(
            [
                ("source", str(done.source)),
                ("pair", done.pair),
                ("weights", f"{done.tensors} tensors, read back equal in every bit"),
                ("config", "not in the checkpoint: a state dict holds the weights alone"),
                ("written", _show.written(done.out)),
            ]
        )
    _show.cautions(done.cautions)
    file.write(done.report)


def verify(
    checkpoint: Path,
    keras_file: Path,
    pair: str,
    config: str | None,
    weights: str | None,
    *,
    report: Path | None,
    force: bool,
    every_module: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Compare a checkpoint with a Keras file of a pair, and print the verdict."""
    from signbart_port.verbs.verify_pair import verify_pair

    file = ReportFile(report, force, (checkpoint, keras_file, config), silent=quiet or json)
    file.check()
    with _show.steps(quiet or json) as progress:
        found = verify_pair(
            checkpoint, keras_file, pair, config=config, weights=weights, progress=progress
        )
    _show.compared(found, file, every_module=every_module, json=json, quiet=quiet)


def _as_dict(done: PairConverted) -> dict[str, Any]:
    return {
        "out": str(done.out),
        "checkpoint": str(done.checkpoint),
        "pair": done.pair,
        "config_origin": done.origin,
        "tensors": done.tensors,
        "parameters": done.parameters,
        "notes": done.notes,
        "cautions": done.cautions,
        "proven": done.report is not None,
        "report": done.report.as_dict() if done.report else None,
    }


def _print(done: PairConverted, every_module: bool) -> None:
    if done.report:
        _show.parity(done.report, every_module, notes=False)
    _show.facts(
        [
            ("source", str(done.checkpoint)),
            *(("", note) for note in done.notes),
            ("pair", done.pair),
            ("config", done.origin),
            ("weights", f"{done.tensors} variables of {done.parameters:,} parameters, each once"),
            ("written", _show.written(done.out)),
        ],
    )
