"""The command `web`."""

from __future__ import annotations

import sys
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
    with_camera: Annotated[
        Path | None,
        typer.Option(
            "--with-camera",
            metavar="DIR",
            help="The folder of the npm package @mediapipe/holistic: live keypoints of a camera or"
            " a video, in the page. 36 MB.",
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
    from signbart_port.web.server import SiteServer

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
                with_camera=with_camera,
                skeleton=skeleton,
                frame_size=frame_size,
                progress=progress,
            )
        server = stack.enter_context(SiteServer(folder)) if serve else None
        url = {"url": server.url} if server else {}
        if json:
            _show.as_json({"site": str(folder), "clips": site.clips, "bytes": site.size, **url})
        elif not quiet and out is not None:
            size = _show.bytes_of(site.size)
            _show.facts([("written", f"{out} ({size})"), ("clips", str(site.clips))])
        _show.cautions(site.cautions)
        if server:
            if not json:
                print(f"{server.url} (Ctrl-C ends it)")
            sys.stdout.flush()
            server.serve_forever()
