"""The command `web`."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from signbart_port.cli import _options, _show
from signbart_port.errors import PortError


def web(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL.tflite", help="The model, with float32 inputs.")
    ],
    clips: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[CLIP]...",
            help="Raw keypoints of a sign: a .pkl, .npz, .npy or .json each. They go into the page."
            " Default: a few synthetic ones.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="The folder to write: a new one."),
    ] = None,
    serve: Annotated[
        bool,
        typer.Option(
            "--serve",
            help="Show the page to browsers of this machine, until Ctrl-C. Without --out it is"
            " removed then.",
        ),
    ] = False,
    golden: Annotated[
        Path | None,
        typer.Option(
            "--golden",
            metavar="FILE.json",
            help="Golden vectors of the model, as predict --golden writes them, instead of clips.",
        ),
    ] = None,
    skeleton: _options.Skeleton = None,
    frame_size: _options.FrameSize = None,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Write a web page that runs a .tflite in the browser and proves that it runs there as here.

    A folder for any static server: no other file is loaded, and nothing is sent anywhere.
    """
    from signbart_port.verbs.write_site import write_site

    if out is None and not serve:
        raise PortError(None, "no folder is given", "Give --out DIR, or --serve")
    with ExitStack() as stack:
        folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory()), "site")
        with _show.steps(quiet or json) as progress:
            site = write_site(
                model,
                folder,
                clips or (),
                golden=golden,
                skeleton=skeleton,
                frame_size=frame_size,
                progress=progress,
            )
        if json:
            _show.as_json({"site": str(folder), "clips": site.clips, "bytes": site.size})
        elif not quiet and out is not None:
            rows = [
                ("written", f"{out} ({_show.bytes_of(site.size)})"),
                ("clips", str(site.clips)),
            ]
            _show.facts(rows)
        _show.cautions(site.cautions)
        if serve:
            _serve(folder)


def _serve(folder: Path) -> None:
    from signbart_port.web.server import SiteServer

    with SiteServer(folder) as server:
        print(f"{server.url} (Ctrl-C ends it)", flush=True)
        server.serve_forever()
