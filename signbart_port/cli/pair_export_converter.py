"""The command `pair export-converter`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signbart_port.cli import _options, _show


def pair_export_converter(
    pair: Annotated[
        str,
        typer.Option(
            "--pair",
            metavar="FILE.py[:NAME]|NAME",
            help="A Python file with a subclass of signbart_port.Pair, which is run; or an"
            " installed pair by its name.",
        ),
    ],
    style: Annotated[
        str, typer.Option("--style", metavar="keras-hub", help="The library that it is for.")
    ] = "keras-hub",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.py", help="Write it to a file instead."),
    ] = None,
    force: _options.Force = False,
    quiet: _options.Quiet = False,
) -> None:
    """Print the converter that a library could take, written from what a pair declares.

    For keras-hub, as in its utils/transformers/convert_*.py: convert_weights(backbone, loader,
    transformers_config) of the mapping, and convert_backbone_config(transformers_config) of the
    keys, where some are mapped to arguments.
    """
    from signbart_port.verbs.export_converter import export_converter

    done = export_converter(pair, style=style, out=out, force=force)
    if done.out is None:
        print(done.source, end="")
    elif not quiet:
        _show.facts([("pair", done.pair), ("written", _show.written(done.out))])
