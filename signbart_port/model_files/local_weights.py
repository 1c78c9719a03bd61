"""The one place where the name of a model becomes a file: an address of a hub, or a folder."""

from __future__ import annotations

from pathlib import Path

from signbart_port.hub.fetch import fetched
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.untrusted.weights_file import TAKES, weights_file


def local_weights(
    path: str | Path, takes: str = TAKES, progress: ProgressCallback = no_progress
) -> Path:
    """Return the local file of a model: what an address of a hub names is fetched, a folder has one
    checkpoint or index of shards, and any other path is taken as it is.

    Raises PortError for what cannot be fetched, and for a folder with no checkpoint or several; it
    names the files that are taken.
    """
    return weights_file(fetched(Path(path), progress), takes)
