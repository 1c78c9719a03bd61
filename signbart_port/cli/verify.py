"""The verb `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signbart_port.cli import app, options
from signbart_port.errors import ExitCode


@app.command()
def verify(
    a: Annotated[Path, typer.Argument(metavar="A", help="A .pth, .safetensors, .h5 or .tflite.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another, of any of these kinds.")],
    config: options.Config = None,
    heads: options.Heads = None,
    joints: options.Joints = None,
    layout: options.Layout = None,
    sizes_from_checkpoint: options.SizesFromCheckpoint = False,
    mapping: options.Mapping = None,
    report: options.Report = None,
    force: options.Force = False,
    every_module: options.EveryModule = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Compare two models on the same inputs.

    Exit code 0: equal; 1: not.
    """
    from signbart_port.cli import show
    from signbart_port.cli.reporting import ReportFile
    from signbart_port.verbs.verify import verify as run

    chosen = options.resolve_options(config, heads, joints, layout, sizes_from_checkpoint)
    file = ReportFile(report, force, (a, b, config, mapping), silent=quiet or json)
    file.check()
    with show.steps(quiet or json) as progress:
        found = run(a, b, chosen, mapping=mapping, progress=progress)
    if json:
        show.as_json(found.as_dict())
    elif not quiet:
        show.parity(found, every_module)
    file.write(found)
    if not found.passed:
        raise typer.Exit(ExitCode.PROOF_FAILED)
