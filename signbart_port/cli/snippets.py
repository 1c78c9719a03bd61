"""The command `snippets`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signbart_port.cli import _options, _show


def snippets(
    model: Annotated[Path, typer.Argument(metavar="MODEL.tflite", help="A SignBART's .tflite.")],
    language: Annotated[
        str,
        typer.Option(
            "--language",
            metavar="LANGUAGE",
            help="python, javascript, kotlin, swift, dart or cpp.",
        ),
    ],
    runtime: Annotated[
        str | None,
        typer.Option(
            "--runtime",
            metavar="RUNTIME",
            help="Of JavaScript: browser, node or react-native. Default: browser.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it to a file instead.")
    ] = None,
    force: _options.Force = False,
    quiet: _options.Quiet = False,
) -> None:
    """Print the program that runs a .tflite in an app.

    It is complete, and made for this one file: its names, shapes, lengths, labels, preprocessing.
    """
    from signbart_port.verbs.snippets import snippets as write

    done = write(model, language, runtime=runtime, out=out, force=force)
    if done.out is None:
        print(done.source, end="")
    elif not quiet:
        _show.facts([("for", done.runtime), ("written", _show.written(done.out))])
