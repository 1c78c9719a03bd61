"""The command `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signbart_port.cli import _options, _show
from signbart_port.cli._report_file import ReportFile
from signbart_port.errors import ExitCode


def verify(
    a: Annotated[
        Path, typer.Argument(metavar="A", help="A .pth, .safetensors, .h5, .keras or .tflite.")
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another, of any of these kinds.")],
    config: _options.Config = None,
    heads: _options.Heads = None,
    joints: _options.Joints = None,
    layout: _options.Layout = None,
    sizes_from_checkpoint: _options.SizesFromCheckpoint = False,
    override_config: _options.OverrideConfig = False,
    weights: _options.Weights = None,
    mapping: _options.Mapping = None,
    report: _options.Report = None,
    force: _options.Force = False,
    every_module: _options.EveryModule = False,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Compare two models on the same inputs.

    Exit code 0: equal; 1: not.
    """
    from signbart_port.verbs.verify import verify as run

    chosen = _options.resolve_options(
        config, heads, joints, layout, sizes_from_checkpoint, override_config, weights
    )
    file = ReportFile(report, force, (a, b, config, mapping), silent=quiet or json)
    file.check()
    with _show.steps(quiet or json) as progress:
        found = run(a, b, chosen, mapping=mapping, progress=progress)
    if json:
        _show.as_json(found.as_dict())
    elif not quiet:
        _show.parity(found, every_module)
    _show.cautions(found.cautions)
    file.write(found)
    if not found.passed:
        raise typer.Exit(ExitCode.PROOF_FAILED)
